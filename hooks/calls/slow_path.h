// Handles every call that the fast path does not. `sp` is the instrumented function's stack pointer
// at the call of the hook, `return_address` the hook's return address.
#pragma once

#include "hooks/lane/state.h"

extern "C" {
void telinject_slow_enter(void* function, void* call_site, uintptr_t sp, void* return_address);
void telinject_slow_exit(void* function, void* call_site, uintptr_t sp, void* return_address);
}

namespace telinject::program {

// Copies the lane's state to what the fast path reads: the current stack, its root, and the limits.
// The limits are 0 while the slow path has to see every call.
void publish_hook_state(Lane* lane);

// Ends the current stack's root. The drain decides how its open frames end.
void close_root(Lane* lane);

// Makes the hooks return at once, as glibc's empty ones do, in a process that will not be traced.
// Makes one system call. If that is forbidden, the hooks go on checking whether tracing is on.
void switch_hooks_off();

// Marks the slow path as active on this lane during its lifetime. The hooks of a signal handler
// then take the nested path and do not touch half-changed state. `entered()` is false if the slow
// path was active already.
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

}  // namespace telinject::program
