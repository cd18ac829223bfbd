#include "hooks/calls/untimed.h"

#include <sys/prctl.h>

#include "hooks/calls/slow_path.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

__thread Untimed t_untimed;

void forbid_clock() {
  if (t_untimed.on) return;
  g_process.clock_forbidden.store(1, std::memory_order_relaxed);
  g_process.left_out.store(true, std::memory_order_relaxed);  // if it receives requests
  // Limits first: a signal handler's hook that comes between takes the slow path.
  auto* hook = static_cast<volatile HookState*>(&t_hook);
  hook->entry_limit = 0;
  hook->exit_limit = 0;
  t_untimed.lane = t_hook.lane;
  t_untimed.on = true;
  hook->lane = nullptr;
}

void allow_clock() {
  t_untimed.asked = true;
  if (!t_untimed.on) return;
  t_untimed.on = false;
  Lane* lane = t_untimed.lane;
  t_hook.lane = lane;
  // In a forked child this is still the parent's lane: the child's first call finds that out.
  if (lane != nullptr && g_alive.mask != 0) publish_hook_state(lane);
}

bool inherits_untimed() {
  constexpr int kForbidden = 2;  // PR_TSC_SIGSEGV
  int mode = kForbidden;
  if (g_process.restricted.load(std::memory_order_relaxed) == 0 &&
      sys::failed(sys::call(SYS_prctl, PR_GET_TSC, sys::arg(&mode)))) {
    mode = 0;
  }
  t_untimed.asked = true;
  if (mode == kForbidden) forbid_clock();
  return t_untimed.on;
}

// Calls of a trace that is not sampled would not have been recorded.
void lose_untimed_call(uintptr_t sp) {
  const Lane* lane = t_untimed.lane;
  if (lane != nullptr && lane->mute && sp - t_hook.stack_lo < t_hook.entry_span) return;
  count_loss(LossReason::kRestricted);
}

}  // namespace telinject::program
