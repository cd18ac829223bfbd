// The hooks' clock: the TSC where it can be trusted, else CLOCK_MONOTONIC.
#pragma once

#include <x86intrin.h>

#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject {

inline uint64_t read_tsc() {
  return __rdtsc();
}

// The processor that the thread runs on, as Linux has put it beside the TSC; where can_read_cpu()
// says that there is the instruction.
inline uint32_t read_cpu() {
  unsigned aux;
  __rdtscp(&aux);
  return aux & 0xfff;
}
bool can_read_cpu();

// True if the processor says that its TSC is invariant (CPUID 80000007h, EDX bit 8) *and* the
// kernel has chosen it as its own clock source, which it does only while the processors' TSCs
// agree. Three system calls; async-signal-safe.
bool tsc_is_trustworthy();

}  // namespace telinject
