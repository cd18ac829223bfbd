// Raw system calls for code that runs in the traced program's threads.
//
// libc's wrappers set errno, some are cancellation points, and some are interposed by us or by
// another preloaded library. These do none of that: they return the kernel's value, a negative
// number being -errno. Async-signal-safe, no allocation, errno untouched.
#pragma once

#include <time.h>

#include <cstdint>

#include "arch/x86_64/system_call.h"

namespace telinject::sys {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) {
  return arch::system_call(number, a, b, c, d, e, f);
}

template <typename T>
inline long arg(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

inline bool failed(long result) {
  return result < 0 && result > -4096;
}

inline int getpid() {
  return static_cast<int>(call(SYS_getpid));
}
inline int gettid() {
  return static_cast<int>(call(SYS_gettid));
}
// What clock_gettime(2) says, in nanoseconds.
inline int64_t clock_ns(clockid_t clock) {
  timespec time = {};
  call(SYS_clock_gettime, clock, arg(&time));
  return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
}
inline long close(int fd) {
  return call(SYS_close, fd);
}

// Closes every descriptor from `first` to `last`; one by one where the kernel has no close_range
// (before 5.9), and then those below 65536 only.
inline void close_range(int first, int last = 0x7fffffff) {
  if (first > last || !failed(call(SYS_close_range, first, last))) return;
  constexpr uint64_t kMost = 1 << 16;
  constexpr long kOpenFiles = 7;  // RLIMIT_NOFILE
  uint64_t limit[2] = {kMost, kMost};
  call(SYS_prlimit64, 0, kOpenFiles, 0, arg(limit));
  uint64_t end = limit[0] < kMost ? limit[0] : kMost;
  for (int fd = first; fd <= last && static_cast<uint64_t>(fd) < end; fd++) close(fd);
}

// Blocks every signal for the time it lives; the kernel's mask is 64 bits.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    uint64_t all = ~uint64_t{0};
    call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, arg(&all), arg(&old_), sizeof old_);
  }
  ~SignalsBlocked() { call(SYS_rt_sigprocmask, 2, arg(&old_), 0, sizeof old_); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  uint64_t old_ = 0;
};

}  // namespace telinject::sys
