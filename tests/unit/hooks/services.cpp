// What preload/ answers to the hooks (hooks/lane/services.h), for a process whose functions are
// letters: everything is a known module, nothing has call frame information.
#include "hooks/lane/services.h"
#include "hooks/http/traffic.h"

namespace telinject::program {

void start_process() {}

void record_module_changes() {}

bool is_known_module(const void*) {
  return true;
}

bool find_unwind_table(uintptr_t, UnwindTable*) {
  return false;
}

bool peek_memory(uintptr_t, void*, size_t) {
  return false;
}

bool is_own_code(uintptr_t) {
  return false;
}

bool find_module(uintptr_t, CodeRange*) {
  return false;
}

bool same_module(uintptr_t, uintptr_t) {
  return true;
}

bool is_hook(uintptr_t) {
  return false;
}

uintptr_t bind_function(uintptr_t, uint64_t) {
  return 0;
}

void reset_services_in_child() {}

void issued_id_sent(uint64_t) {}

}  // namespace telinject::program
