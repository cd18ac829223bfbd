// The drain's own clock, for what is to happen after a while.
#pragma once

#include <time.h>

#include <cstdint>

namespace telinject::drain {

// CLOCK_MONOTONIC, in nanoseconds.
inline uint64_t monotonic_ns() {
  constexpr uint64_t kSecondNs = 1000000000;
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * kSecondNs + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace telinject::drain
