#include "preload/real/stubs.h"

#include <atomic>

#include "preload/real/loaded_objects.h"

// The stubs of a function are neighbours, of 32 bytes each. The frame keeps the stack aligned; all
// arguments are in registers.
#define TELINJECT_LIBRARY_WRAPPED(name)           \
  "  .rept 4\n"                                   \
  "  .balign 32, 0xcc\n"                          \
  "  .cfi_startproc\n"                            \
  "  endbr64\n"                                   \
  "  sub $8, %rsp\n  .cfi_adjust_cfa_offset 8\n"  \
  "  call " #name                                 \
  "\n"                                            \
  "  add $8, %rsp\n  .cfi_adjust_cfa_offset -8\n" \
  "  ret\n"                                       \
  "  .cfi_endproc\n"                              \
  "  .endr\n"

__asm__(
    ".pushsection .text\n"
    ".globl telinject_stubs, telinject_stubs_end\n"
    ".hidden telinject_stubs, telinject_stubs_end\n"
    ".balign 32, 0xcc\n"
    "telinject_stubs:\n"
#include "preload/real/interposed.def"
    ".balign 32, 0xcc\n"
    "telinject_stubs_end:\n"
    ".popsection\n");

namespace telinject::program {

namespace {

constexpr uintptr_t kStubBytes = 32;
static_assert(kStubsOfFunction == 4, "as many as the assembly makes");

constexpr LibraryFunction kFunctions[] = {
#define TELINJECT_LIBRARY_WRAPPED(name) kLibrary_##name,
#include "preload/real/interposed.def"
};
constexpr uint32_t kFunctionCount = sizeof kFunctions / sizeof *kFunctions;

// What each stub leads to; null: it is not taken.
std::atomic<void*> g_definitions[kFunctionCount * kStubsOfFunction];

void* stub_of(uint32_t number) {
  return const_cast<char*>(telinject_stubs + number * kStubBytes);
}

bool is_loaded(const void* definition) {
  bool found = false;
  each_loaded_object([&](const dl_phdr_info& object, uint32_t) {
    found = contains_address(object, reinterpret_cast<uintptr_t>(definition));
    return found;
  });
  return found;
}

}  // namespace

Stub stub_at(const void* call_site) {
  auto number =
      static_cast<uintptr_t>(static_cast<const char*>(call_site) - telinject_stubs) / kStubBytes;
  return {kFunctions[number / kStubsOfFunction],
          g_definitions[number].load(std::memory_order_acquire)};
}

void* stub_for(LibraryFunction function, void* definition) {
  uint32_t first = 0;
  while (first < kFunctionCount && kFunctions[first] != function) first++;
  if (first == kFunctionCount) return nullptr;
  first *= kStubsOfFunction;
  for (uint32_t number = first; number < first + kStubsOfFunction; number++) {
    void* before = nullptr;
    if (g_definitions[number].compare_exchange_strong(before, definition) || before == definition) {
      return stub_of(number);
    }
  }
  // Those of libraries that are gone have no callers left.
  for (uint32_t number = first; number < first + kStubsOfFunction; number++) {
    void* before = g_definitions[number].load(std::memory_order_acquire);
    if (is_loaded(before)) continue;
    if (g_definitions[number].compare_exchange_strong(before, definition) || before == definition) {
      return stub_of(number);
    }
  }
  return nullptr;
}

}  // namespace telinject::program
