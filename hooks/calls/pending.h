// Information that did not fit into the lane and must be written before any other record: frames
// that are gone, lost calls, how long the thread waited for room, where an exception was caught,
// the stack that the records belong to.
//
// Async-signal-safe. Called by the lane's own thread within the slow path.
#pragma once

#include <cstdint>

#include "hooks/lane/state.h"

namespace telinject::program {

bool has_pending(const Lane* lane);
// The room that write_pending() needs. (A wait that make_room() adds uses 32 bytes of the spill.)
uintptr_t pending_bytes(const Lane* lane);
// Writes it. The caller has made room.
void write_pending(Lane* lane, uint64_t ticks);

}  // namespace telinject::program
