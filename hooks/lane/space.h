// Makes room in a lane. A lane is a chain of chunks (layout.h), and the producer writes to the
// last.
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

// Bytes kept free at a chunk's end for hooks that are interrupted between their check and their
// reservation: one record for each nested handler.
inline constexpr uint64_t kGuardBytes = 1024;

// Sets the lane's limits to those of its current chunk.
void refresh_limits(Lane* lane);

// Gives a lane its first chunk. Waits for one as make_room() does. False if there is none.
bool take_first_chunk(Lane* lane);

// Wakes the drain if it sleeps and system calls are allowed.
void ring_doorbell();

// True once the drain is known to have ended: the kernel has marked its word on the robust list, or
// a producer has given up waiting for it.
bool drain_has_gone();

// Completes a change of chunks from whatever point it has reached. Called by every change, and
// again when a signal handler has left the slow path by longjmp.
void finish_change(Lane* lane);

// True if `bytes` (at most kMaxMessageRoom) can be reserved now, in one piece. Takes another chunk
// if necessary. Entries get room only while new calls may be recorded; exits get room beyond that.
//
// In blocking mode it waits for the drain as long as the drain shows that it is alive. In dropping
// mode it waits for at most a tenth of a second, if the drain says that room comes
// (SegmentHeader::room_comes). It adds the time to lane->pending.waited. The caller must then read
// the clock again.
//
// For the slow path: nested hooks do not use the room until the next publish_hook_state() or
// make_room().
bool make_room(Lane* lane, uintptr_t bytes, bool for_entry);
inline constexpr uint64_t kMaxMessageRoom = kChunkBytes - kSpillBytes;

// True if `bytes` can be reserved at the cursor. For hooks that interrupt the slow path.
bool has_nested_room(const Lane* lane, uintptr_t bytes);

}  // namespace telinject::program
