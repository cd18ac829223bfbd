// Handles threads that may not read the clock. In seccomp's strict mode, and after
// prctl(PR_SET_TSC, PR_TSC_SIGSEGV), the instruction faults, and clock_gettime(2) with it.
//
// Such a thread has no lane, so all its hooks take the slow path, which counts the call as lost and
// returns. Other threads are still traced. A call that was open in the thread ends where later
// records, if any, show that it has ended.
//
// Async-signal-safe. Makes no system call except where it says so.
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

struct Untimed {
  bool on;
  bool asked;  // the kernel, whether it is
  Lane* lane;  // of the thread, for later
};
extern __thread Untimed t_untimed __attribute__((tls_model("initial-exec")));

// Called before the clock is forbidden, and after it is allowed again.
void forbid_clock();
void allow_clock();

// True if this thread inherited the restriction from the thread that created it. Called only if
// some thread of this process has forbidden itself the clock. Makes one system call per thread that
// has no lane yet. Under a seccomp filter the clock is assumed to be forbidden.
bool inherits_untimed();
inline bool is_untimed() {
  if (TELINJECT_LIKELY(g_process.clock_forbidden.load(std::memory_order_relaxed) == 0))
    return false;
  return t_untimed.on || (t_hook.lane == nullptr && !t_untimed.asked && inherits_untimed());
}

void lose_untimed_call(uintptr_t sp);

}  // namespace telinject::program
