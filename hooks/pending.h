// What did not fit into the lane and has to be written before any other record: which frames are
// gone, calls that were lost, where an exception was caught, which stack the records stand on.
//
// Async-signal-safe, for the lane's own thread inside the slow path.
#pragma once

#include <cstdint>

#include "hooks/state.h"

namespace telinject {

bool has_pending(const Lane* lane);
// The room that write_pending() needs.
uintptr_t pending_bytes(const Lane* lane);
// The caller has made room.
void write_pending(Lane* lane, uint64_t ticks);

}  // namespace telinject
