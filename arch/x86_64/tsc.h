// The processor's clock, the time stamp counter (TSC), and what Linux stores beside it.
// Async-signal-safe.
#pragma once

#include <cpuid.h>
#include <x86intrin.h>

#include <cstdint>

namespace telinject::arch {

// Faults in seccomp's strict mode and after prctl(PR_SET_TSC, PR_TSC_SIGSEGV).
inline __attribute__((always_inline)) uint64_t read_tsc() {
  return __builtin_ia32_rdtsc();
}

// True if the clock runs at one rate in all power states (CPUID 80000007h, EDX bit 8).
inline bool has_steady_tsc() {
  unsigned a, b, c, d;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
}

// True if read_cpu() can be used: the processor has RDTSCP.
inline bool can_read_cpu() {
  unsigned a, b, c, d;
  __cpuid(0x80000001, a, b, c, d);
  return (d & 1u << 27) != 0;
}

// The number of the processor that the thread runs on, which Linux stores beside the TSC.
inline uint32_t read_cpu() {
  unsigned aux;
  __rdtscp(&aux);
  return aux & 0xfff;
}

// A pause in a loop that waits for another thread.
inline void spin_pause() {
  __builtin_ia32_pause();
}

}  // namespace telinject::arch
