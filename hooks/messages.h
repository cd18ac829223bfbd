// Messages (shim/channel/message.h) into a lane.
#pragma once

#include <cstddef>

#include "hooks/state.h"
#include "shim/channel/message.h"

namespace telinject {

// Writes a message of two parts, both of which may be empty, in one piece. False, with nothing
// written, if there is no room (in the blocking mode: if the drain has gone). Async-signal-safe.
bool write_message(Lane* lane, MessageType type, const void* head, size_t head_bytes,
                   const void* tail = nullptr, size_t tail_bytes = 0);

// The same for a message whose place names a span (http_message.h): the lane position of its first
// record goes to *position. It takes `records` records at least; what it does not fill is empty.
bool write_placed_message(Lane* lane, MessageType type, const void* head, size_t head_bytes,
                          const void* tail, size_t tail_bytes, size_t records, uint64_t* position);

}  // namespace telinject
