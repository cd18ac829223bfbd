// dlopen and dlclose: which modules come and go.
//
// dlopen is entered by a jump: it looks at its return address to find the caller's search path. So
// what it loads is found afterwards, at the first call from a module that is not known
// (hooks/calls/slow_path.cpp), and at the program's end. dlclose can be called through.
#include "arch/x86_64/jump_wrappers.h"
#include "hooks/calls/slow_path.h"
#include "hooks/lane/services.h"
#include "preload/real/export.h"
#include "preload/real/library_functions.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"

namespace telinject::program {

namespace {

constexpr uint32_t kPatience = 4096;  // calls

void expect_modules(uintptr_t sp) {
  Lane* lane = t_hook.lane;
  if (!tracing() || lane == nullptr || g_alive.mask == 0) return;
  lane->modules_pending = true;
  lane->modules_patience = kPatience;
  lane->modules_sp = sp;
  SlowPath slow(lane, sp);
  if (slow.entered()) publish_hook_state(lane);
}

void read_modules() {
  if (tracing() && t_hook.lane != nullptr && g_alive.mask != 0) record_module_changes();
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

extern "C" __attribute__((visibility("hidden"))) void* telinject_before_dlopen(uintptr_t sp,
                                                                               const char* path,
                                                                               int flags) {
  constexpr int kGlobal = 0x100;  // RTLD_GLOBAL
  forget_library_functions();
  if ((flags & kGlobal) != 0 && path != nullptr) note_global_library(path);
  expect_modules(sp);
  return real_address(kReal_dlopen);
}

extern "C" __attribute__((visibility("hidden"))) void* telinject_before_dlmopen(uintptr_t sp) {
  expect_modules(sp);
  return real_address(kReal_dlmopen);
}

TELINJECT_INTERPOSES(dlopen);
TELINJECT_ARCH_JUMP_3(dlopen);

TELINJECT_INTERPOSES(dlmopen);
TELINJECT_ARCH_JUMP_3(dlmopen);

TELINJECT_WRAPPER(int, dlclose, void* handle) {
  read_modules();
  int result = real<int (*)(void*)>(kReal_dlclose)(handle);
  forget_library_functions();
  read_modules();
  return result;
}
