// Memory operations of a single instruction, for data that one thread writes. A signal handler of
// that thread runs before the instruction or after it. They have no lock prefix, so they are not
// atomic for other threads.
#pragma once

#include <cstdint>

namespace telinject::arch {

// Adds to `at`, a word of 4 or 8 bytes, and returns its old value.
template <typename Word>
inline __attribute__((always_inline)) Word single_thread_fetch_add(Word& at, Word value) {
  static_assert(sizeof(Word) == 4 || sizeof(Word) == 8);
  __asm__ volatile("xadd %0, %1" : "+r"(value), "+m"(at) : : "cc", "memory");
  return value;
}

// If `at` is *expected, stores `value` and returns true. Else stores what `at` is in *expected.
template <typename Word>
inline __attribute__((always_inline)) bool single_thread_compare_exchange(Word& at, Word* expected,
                                                                          Word value) {
  static_assert(sizeof(Word) == 4 || sizeof(Word) == 8);
  bool done;
  __asm__ volatile("cmpxchg %3, %1"
                   : "+a"(*expected), "+m"(at), "=@ccz"(done)
                   : "r"(value)
                   : "memory");
  return done;
}

// Makes all earlier stores visible to other threads and processes before this one. The processor
// keeps stores in order, so a barrier for the compiler is enough.
inline __attribute__((always_inline)) void store_release(uint64_t* at, uint64_t value) {
  __asm__ volatile("" : : : "memory");
  *static_cast<volatile uint64_t*>(at) = value;
}

}  // namespace telinject::arch
