// ucontext: which memory is a coroutine's stack, and when a thread goes from one stack to another.
//
// A context is the place that its function was called from, so nothing of ours may lie on the stack
// when the real function runs: it is entered by a jump, with all registers as they were. That also
// serves makecontext, which reads arguments beyond the sixth from its caller's frame.
#include "arch/x86_64/jump_wrappers.h"
#include "arch/x86_64/saved_context.h"
#include "hooks/calls/stacks.h"
#include "hooks/calls/unwind.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"

using namespace telinject;
using namespace telinject::program;

#define TELINJECT_BEFORE(name)                                                    \
  extern "C" __attribute__((visibility("hidden"))) void* telinject_before_##name( \
      const void* context, const void* other, uintptr_t sp)

TELINJECT_BEFORE(makecontext) {
  (void)other;
  if (tracing()) {
    Lane* lane = g_alive.mask != 0 ? t_hook.lane : nullptr;
    arch::SavedStack stack = arch::stack_in_context(context);
    note_context_stack(lane, stack.start, stack.end, sp);
  }
  return real_address(kReal_makecontext);
}

TELINJECT_BEFORE(swapcontext) {
  (void)context;
  note_switch(sp, arch::place_in_context(other).sp);
  return real_address(kReal_swapcontext);
}

// Within a stack it leaves calls, as longjmp does.
TELINJECT_BEFORE(setcontext) {
  (void)other;
  arch::SavedPlace to = arch::place_in_context(context);
  if (!note_switch(sp, to.sp)) note_unwind(UnwindKind::kLongjmp, nullptr, to.sp, to.pc, sp);
  return real_address(kReal_setcontext);
}

#define TELINJECT_JUMPED_TO(name) \
  TELINJECT_INTERPOSES(name);     \
  TELINJECT_ARCH_JUMP_ANY(name)

TELINJECT_JUMPED_TO(makecontext);
TELINJECT_JUMPED_TO(swapcontext);
TELINJECT_JUMPED_TO(setcontext);
