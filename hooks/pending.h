// What did not fit into the lane and has to be written before any other record: which frames are
// gone, calls that were lost, how long the thread waited for room, where an exception was caught,
// which stack the records stand on.
//
// Async-signal-safe, for the lane's own thread inside the slow path.
#pragma once

#include <cstdint>

#include "hooks/state.h"

namespace telinject {

bool has_pending(const Lane* lane);
// The room that write_pending() needs. (A wait that make_room() adds takes 32 bytes of the spill.)
uintptr_t pending_bytes(const Lane* lane);
// The caller has made room.
void write_pending(Lane* lane, uint64_t ticks);

}  // namespace telinject
