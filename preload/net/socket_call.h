// What the wrappers of socket calls have in common.
//
// The fast way is one load, of the descriptor's word: nothing there, and the real function is
// jumped to. So it is for all descriptors while HTTP is not captured.
#pragma once

#include <sys/types.h>

#include "hooks/http/descriptors.h"
#include "hooks/http/traffic.h"
#include "hooks/lane/state.h"
#include "preload/real/resolve.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

inline constexpr int kInProgress = 115;  // EINPROGRESS

inline int last_error() {
  auto location = real<int* (*)()>(kReal___errno_location);
  return location != nullptr ? *location() : 0;
}
// A kernel's result as libc returns it.
inline int returned(long result) {
  if (!sys::failed(result)) return static_cast<int>(result);
  auto location = real<int* (*)()>(kReal___errno_location);
  if (location != nullptr) *location() = static_cast<int>(-result);
  return -1;
}

// The real function if it has been looked up, as it has after our constructor. Null if libc has
// none: then real() would search all objects for it, at each call.
template <typename Function>
Function known(RealSymbol symbol) {
  return reinterpret_cast<Function>(g_real[symbol].load(std::memory_order_acquire));
}

// True if it is of no interest: no socket, one without HTTP, or TLS whose library is watched.
inline bool passes_by(int fd) {
  uint32_t tag = descriptor_tag(fd);
  return TELINJECT_LIKELY(tag < kUnderTls) || (tag == kUnderTls && !t_descriptor_wanted);
}

// Tells what a call that failed means for the connection. EAGAIN and the like mean nothing.
TELINJECT_COLD void call_failed(int fd, Way way);

// The sum of the lengths; the parts are iovecs.
struct Parts {
  const void* data;
  size_t count;
  size_t size() const;
};

}  // namespace telinject::program
