// The entry points that gcc and clang call with -finstrument-functions, and their fast path.
//
// Async-signal-safe; no call, no lock, no allocation; about twenty instructions each.
//
// What makes it fast, measured against a bare rdtsc and a 16-byte store: thread-local state used in
// place rather than through a pointer (a dependent load costs more than all the arithmetic here);
// addresses as limits, so that no index has to be masked or scaled; and no lap bit in the record,
// for the drain zeroes what it has taken.
//
// The clock is read once nothing speaks against it: in seccomp's strict mode that instruction
// faults, and untimed.cpp has set the limits to 0.
//
// The order of records in a lane is the order of reservations. A signal between the reading of the
// clock and the reservation makes a record's time earlier than the handler's before it; the drain
// holds a lane's times monotonic.
#include "arch/x86_64/hook_page.h"
#include "arch/x86_64/tsc.h"
#include "hooks/calls/slow_path.h"
#include "hooks/lane/record_writer.h"
#include "hooks/lane/state.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

__thread HookState t_hook;
__thread SpawnContext t_spawn_context;
// Constant initialisation, or a constructor would wipe them after the first hook, which may come
// before any constructor does (an instrumented resolver of an indirect function).
constinit AlivePage g_alive{};
constinit Process g_process{};

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

// In a page of their own, with a page of nothing but `ret` behind it: switch_hooks_off() puts that
// one in its place. The order in the section is the file's (-fno-toplevel-reorder).
#define TELINJECT_HOOKS_SECTION "telinject_hooks"
#define TELINJECT_HOOK \
  extern "C" __attribute__((visibility("default"), section(TELINJECT_HOOKS_SECTION), hot))

// The canonical frame address of the hook: the stack pointer of the instrumented function at the
// call. The barrier keeps gcc from spilling it to take its lower half.
#define TELINJECT_FRAME(sp)                                     \
  auto sp = reinterpret_cast<uintptr_t>(__builtin_dwarf_cfa()); \
  __asm__("" : "+r"(sp))

TELINJECT_ARCH_HOOK_PAGE(TELINJECT_HOOKS_SECTION, "telinject_hooks_on");

TELINJECT_HOOK void __cyg_profile_func_enter(void* function, void* call_site) {
  TELINJECT_FRAME(sp);
  if (TELINJECT_UNLIKELY(t_hook.cursor >= (t_hook.entry_limit & g_alive.mask)) ||
      TELINJECT_UNLIKELY(sp - t_hook.stack_lo >= t_hook.entry_span)) {
    return telinject_slow_enter(function, call_site, sp, __builtin_return_address(0));
  }
  uint64_t ticks = arch::read_tsc();
  put_entry(reserve(kEntryBytes), ticks, function, call_site, sp, __builtin_return_address(0));
}

TELINJECT_HOOK void __cyg_profile_func_exit(void* function, void* call_site) {
  if (TELINJECT_UNLIKELY(reinterpret_cast<uintptr_t>(call_site) == t_hook.root_call_site) ||
      TELINJECT_UNLIKELY(t_hook.cursor >= (t_hook.exit_limit & g_alive.mask))) {
    TELINJECT_FRAME(sp);
    return telinject_slow_exit(function, call_site, sp, __builtin_return_address(0));
  }
  uint64_t ticks = arch::read_tsc();
  TELINJECT_FRAME(sp);
  put_exit(reserve(kExitBytes), ticks, function, sp);
}

TELINJECT_ARCH_PAGE_OF_RETURNS(TELINJECT_HOOKS_SECTION, "telinject_hooks_off");

extern "C" __attribute__((visibility("hidden"))) char telinject_hooks_on[], telinject_hooks_off[];

namespace telinject::program {

// A thread that is within a hook goes on with a `ret`: hooks leave the stack pointer alone.
void switch_hooks_off() {
  constexpr long kPage = 4096, kMayMove = 1, kFixed = 2;
  if (telinject_hooks_off - telinject_hooks_on != kPage) return;
  sys::call(SYS_mremap, sys::arg(telinject_hooks_off), kPage, kPage, kMayMove | kFixed,
            sys::arg(telinject_hooks_on));
}

}  // namespace telinject::program
