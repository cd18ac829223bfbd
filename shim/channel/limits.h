// How much memory tracing may take, so that a program under limits does not notice it.
#pragma once

#include <cstdint>

namespace telinject {

inline constexpr uint64_t kLeastWaitingBytes = uint64_t{4} << 20;
inline constexpr uint64_t kUsualWaitingBytes = uint64_t{256} << 20;
inline constexpr uint64_t kMostWaitingBytes = uint64_t{1} << 40;

// Records may take so much while a program runs, however little memory is left.
inline constexpr uint64_t kLeastWaitingNow = uint64_t{1} << 20;

// The functions below make raw system calls and use no heap.

// What this process may use at most: the memory of the machine, or the smallest limit (memory.max
// and memory.high, or memory.limit_in_bytes) of its control group and those around it, of version 2
// or 1. Some 50 us.
uint64_t memory_limit();

// That, and what is left of it now, in the group where least is; pages of files that are only
// cached count as free. Some 100 us.
struct MemoryRoom {
  uint64_t limit, free;
};
MemoryRoom memory_room();

// The memory in which records may wait, in lanes and drain together: what the user wants, or, where
// that is 0, an eighth of memory_limit(), from kLeastWaitingBytes to kUsualWaitingBytes. It is
// asked for once a session.
uint64_t waiting_bytes(uint64_t wanted);

// The same from what there is.
uint64_t waiting_bytes_of(uint64_t memory);

// How much of `most` records may take now, of which they hold `held` bytes: an eighth of the limit,
// and a quarter of what is left, so that the program has the rest.
uint64_t waiting_bytes_now(uint64_t most, const MemoryRoom& room, uint64_t held);

}  // namespace telinject
