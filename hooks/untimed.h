// Threads that may not read the clock: in seccomp's strict mode, and after prctl(PR_SET_TSC,
// PR_TSC_SIGSEGV), the instruction faults, and clock_gettime(2) with it.
//
// While that is so the thread has no lane, so that every hook of it comes to the slow path, which
// counts the call as lost and returns. Other threads are traced on. What the thread has open then
// ends where the records behind, if any, show that it has ended.
//
// Async-signal-safe, no system call but where said so.
#pragma once

#include "hooks/state.h"

namespace telinject {

struct Untimed {
  bool on;
  bool asked;  // the kernel, whether it is
  Lane* lane;  // of the thread, for later
};
extern __thread Untimed t_untimed __attribute__((tls_model("initial-exec")));

// To be called before the clock is forbidden, and once it is allowed again.
void forbid_clock();
void allow_clock();

// Some thread of this process has forbidden itself the clock; so it is for threads that it makes.
// One system call a thread, where it has no lane yet; under a seccomp filter it is taken for
// forbidden.
bool inherits_untimed();
inline bool is_untimed() {
  if (TELINJECT_LIKELY(g_process.clock_forbidden.load(std::memory_order_relaxed) == 0))
    return false;
  return t_untimed.on || (t_hook.lane == nullptr && !t_untimed.asked && inherits_untimed());
}

void lose_untimed_call(uintptr_t sp);

}  // namespace telinject
