// What the fast path hands over, with the stack pointer of the instrumented function at the call of
// the hook, and the hook's return address.
#pragma once

#include "hooks/state.h"

extern "C" {
void telinject_slow_enter(void* function, void* call_site, uintptr_t sp, void* return_address);
void telinject_slow_exit(void* function, void* call_site, uintptr_t sp, void* return_address);
}

namespace telinject {

// Mirrors the lane's state into what the fast path reads: the current stack, its root, and the
// limits, which are 0 while the slow path has to see every call.
void publish_hook_state(Lane* lane);

// Ends the current stack's root, whatever the drain makes of its frames.
void close_root(Lane* lane);

// For a process that will not be traced: from here on its calls of the hooks return at once, as
// those of glibc's empty ones do. One system call; where that is forbidden, the hooks go on asking.
void switch_hooks_off();

// Marks the slow path as under way on this lane for as long as it lives, so that a signal handler's
// hooks keep out of half-changed state: they take the nested path. `entered()` is false if it was
// under way already.
class SlowPath {
 public:
  SlowPath(Lane* lane, uintptr_t sp);
  ~SlowPath() {
    if (!entered_) return;
    lane_->granted = 0;
    lane_->busy_sp = 0;
  }
  SlowPath(const SlowPath&) = delete;
  SlowPath& operator=(const SlowPath&) = delete;
  bool entered() const { return entered_; }

 private:
  Lane* lane_;
  bool entered_;
};

}  // namespace telinject
