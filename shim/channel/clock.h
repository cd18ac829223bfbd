// The kernel's clocks, and whether the hooks may read the processor's instead.
#pragma once

#include <time.h>

#include <cstdint>

namespace telinject {

constexpr uint64_t kMillisecond = 1000000, kSecond = 1000 * kMillisecond;  // ns

// What clock_gettime(2) says, in nanoseconds. By libc: in the traced program use sys::clock_ns().
inline int64_t clock_ns(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
}

// For timeouts: since an arbitrary moment, never set back.
inline uint64_t monotonic_ns() {
  return static_cast<uint64_t>(clock_ns(CLOCK_MONOTONIC));
}

// True if the TSC runs at one rate in all power states *and* the kernel has chosen it as its own
// clock source, which it does only while the TSCs of all processors agree. Three system calls.
// Async-signal-safe.
bool tsc_is_trustworthy();

}  // namespace telinject
