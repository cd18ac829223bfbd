// Read-modify-write of what threads share. Where the process has one thread, as glibc says
// (__libc_single_threaded), without the lock prefix, which costs more than all else on the way of a
// request that is not recorded: one instruction still, so a signal handler comes before or after.
//
// Async-signal-safe. As their namesakes in std::atomic, sequentially consistent.
#pragma once

#include <atomic>
#include <cstdint>

#include "arch/x86_64/single_thread.h"

namespace telinject::program {

// libc's; not 0: there is one thread. Of ours, always 0, until it was found.
extern const char* g_single_threaded;

inline bool is_alone() {
  return *static_cast<const volatile char*>(g_single_threaded) != 0;
}

namespace single_thread_atomics {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

inline uint32_t* word(std::atomic<uint32_t>* at) {
  return reinterpret_cast<uint32_t*>(at);
}

// For one thread: true, and the new value is there, if `*old` was; else *old is what was.
inline bool replace(uint32_t* at, uint32_t* old, uint32_t value) {
  return arch::single_thread_compare_exchange(*at, old, value);
}

inline bool compare_exchange(uint32_t* at, uint32_t* old, uint32_t value) {
  if (is_alone()) return replace(at, old, value);
  return __atomic_compare_exchange_n(at, old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
inline bool compare_exchange(std::atomic<uint32_t>* at, uint32_t* old, uint32_t value) {
  return compare_exchange(word(at), old, value);
}

inline uint32_t fetch_add(uint32_t* at, uint32_t value) {
  if (!is_alone()) return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
  return arch::single_thread_fetch_add(*at, value);
}
inline uint32_t fetch_add(std::atomic<uint32_t>* at, uint32_t value) {
  return fetch_add(word(at), value);
}

inline uint32_t fetch_or(std::atomic<uint32_t>* at, uint32_t bits) {
  if (!is_alone()) return at->fetch_or(bits);
  uint32_t old = at->load(std::memory_order_relaxed);
  while (!replace(word(at), &old, old | bits)) {
  }
  return old;
}

inline uint32_t fetch_and(std::atomic<uint32_t>* at, uint32_t bits) {
  if (!is_alone()) return at->fetch_and(bits);
  uint32_t old = at->load(std::memory_order_relaxed);
  while (!replace(word(at), &old, old & bits)) {
  }
  return old;
}

}  // namespace single_thread_atomics

}  // namespace telinject::program
