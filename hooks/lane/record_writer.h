// Writes records into a lane. Room is reserved by one instruction, which a signal cannot
// interrupt, so the records of its handler follow ours.
#pragma once

#include <cstdint>

#include "arch/x86_64/single_thread.h"
#include "hooks/lane/state.h"

namespace telinject::program {

inline __attribute__((always_inline)) uint64_t* reserve(uintptr_t bytes) {
  return reinterpret_cast<uint64_t*>(arch::single_thread_fetch_add(t_hook.cursor, bytes));
}

// Stores the first word last, which makes the record visible to the drain.
inline __attribute__((always_inline)) void publish(uint64_t* record, uint64_t first_word) {
  arch::store_release(record, first_word);
}

inline __attribute__((always_inline)) void put_entry(uint64_t* record, uint64_t ticks,
                                                     const void* function, const void* call_site,
                                                     uintptr_t sp, const void* return_address) {
  record[1] = reinterpret_cast<uint64_t>(function);
  record[2] = reinterpret_cast<uint64_t>(call_site) | kSecondUnit;
  auto* halves = reinterpret_cast<uint32_t*>(record + 3);
  halves[0] = static_cast<uint32_t>(sp);
  halves[1] = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(return_address));
  publish(record, ticks);
}

inline __attribute__((always_inline)) void put_exit(uint64_t* record, uint64_t ticks,
                                                    const void* function, uintptr_t sp) {
  auto* halves = reinterpret_cast<uint32_t*>(record + 1);
  halves[0] = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(function));
  halves[1] = static_cast<uint32_t>(sp);
  publish(record, ticks | kExitBit);
}

inline void put_control(uint64_t* record, uint64_t ticks, ControlKind kind, uint64_t a, uint64_t b,
                        uint64_t c) {
  record[1] = control_word(kind, a);
  record[2] = (b & kTicksMask) | kSecondUnit;
  record[3] = c;
  publish(record, ticks);
}

}  // namespace telinject::program
