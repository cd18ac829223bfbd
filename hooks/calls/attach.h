// Gives a thread a lane at its first call.
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

// Returns the current thread's lane and claims one if it has none. Null if the thread cannot be
// traced: tracing is off, no lane or chunk is free, or this is a vfork child or another task that
// shares a thread's memory. `sp` is the stack pointer of the call; it is used to find the thread's
// own stack.
//
// Async-signal-safe: blocks signals during the claim. System calls: getpid, rt_sigprocmask,
// prctl(PR_GET_NAME), mmap when more lanes are needed than before, and those of take_chunk(). Makes
// none of them under a seccomp filter.
Lane* attach_thread(uintptr_t sp);

// Makes the first lanes usable. Called by preload after it has mapped the segment.
bool add_first_lanes();

// Maps room for many records and threads, before a seccomp filter forbids mapping more. The program
// runs without it, but records would be lost.
void map_before_restriction();

// The number of the next root on this lane. It is in shared memory, so that the lane's next owner,
// perhaps in another process, continues the count.
uint64_t next_root_number(Lane* lane);

// Tells the drain which lanes' threads ended before the process does, so that their calls are not
// taken for ended with the process. Called when the process is about to end, with the caller's
// `sp`.
void note_ended_lanes(uintptr_t sp);

// Converts an address in the lane's current chunk to a lane position.
inline uint64_t position_of(const Lane* lane, uintptr_t address) {
  return lane_position(lane->number, address - lane->base);
}

}  // namespace telinject::program
