// A thread claims a lane, at its first call.
#pragma once

#include "hooks/state.h"

namespace telinject {

// The current thread's lane, claimed now if need be; null if it cannot be traced: tracing is off,
// no lane is free, no chunk, or this is a vfork child or another task that shares a thread's
// memory. `sp` is the stack pointer of the call, by which the thread's own stack is found.
//
// Async-signal-safe: blocks signals for the time of the claim. System calls: getpid,
// rt_sigprocmask, prctl(PR_GET_NAME), mmap when more lanes are needed than before, what
// take_chunk() needs; none of them under a seccomp filter.
Lane* attach_thread(uintptr_t sp);

// For preload, after the segment was mapped: makes the first lanes usable.
bool add_first_lanes();

// Under a seccomp filter nothing more can be mapped: room for a good many records and threads is
// mapped before. Not needed for the program to run, only for its records.
void map_before_restriction();

// The number of the next root on this lane. Kept in shared memory: the lane's next owner, perhaps
// in another process, goes on from there.
uint64_t next_root_number(Lane* lane);

// For a process that is about to end: tells the drain which lanes' threads have ended before, so
// that their calls are not taken for ended with the process. `sp` is the caller's.
void note_ended_lanes(uintptr_t sp);

// The lane position of an address in the lane's current chunk.
inline uint64_t position_of(const Lane* lane, uintptr_t address) {
  return lane_position(lane->number, address - lane->base);
}

}  // namespace telinject
