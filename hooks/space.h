// Room in a lane: a chain of chunks (layout.h), of which the producer writes to the last.
#pragma once

#include "hooks/state.h"

namespace telinject {

// Kept free at a chunk's end for hooks that were interrupted between their check and their
// reservation, one record for each nested handler.
inline constexpr uint64_t kGuardBytes = 1024;

// Sets the lane's limits to those of its current chunk.
void refresh_limits(Lane* lane);

// Gives a lane its first chunk, waiting for one as make_room() does. False if there is none.
bool take_first_chunk(Lane* lane);

// Wakes the drain if it sleeps and system calls are allowed.
void ring_doorbell();

// True once the drain is known to have ended: the kernel has marked its word, or a producer has
// given up waiting for it.
bool drain_has_gone();

// Completes a change of chunks that was begun, however far it had come. Part of changing; called
// again when a signal handler has left the slow path by longjmp.
void finish_change(Lane* lane);

// True if `bytes` (at most kMaxMessageRoom) can be reserved now, in one piece; takes another chunk
// if need be. For an entry only as long as new calls may be recorded; exits go on beyond that. In
// the blocking mode it waits for the drain, for as long as that shows signs of life; in the
// dropping mode for a tenth of a second, if the drain says that room comes
// (SegmentHeader::room_comes). How long that took is then in lane->pending.waited, and a clock that
// was read before is to be read again. For the slow path: until the next publish_hook_state() or
// make_room() nested hooks leave the room that was asked for.
bool make_room(Lane* lane, uintptr_t bytes, bool for_entry);
inline constexpr uint64_t kMaxMessageRoom = kChunkBytes - kSpillBytes;

// For hooks that interrupt the slow path: true if `bytes` can be reserved behind the cursor.
bool has_nested_room(const Lane* lane, uintptr_t bytes);

}  // namespace telinject
