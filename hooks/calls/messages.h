// Writes messages (shim/channel/message.h) into a lane.
#pragma once

#include <cstddef>

#include "hooks/lane/state.h"
#include "shim/channel/message.h"

namespace telinject::program {

// Writes a message of two parts in one piece; both parts may be empty. If there is no room (in
// blocking mode: if the drain has gone) it writes nothing and returns false. Async-signal-safe.
bool write_message(Lane* lane, MessageType type, const void* head, size_t head_bytes,
                   const void* tail = nullptr, size_t tail_bytes = 0);

// The same for a message whose position identifies a span (http_message.h). Stores the lane
// position of its first record in *position. The message takes at least `records` records; unused
// ones are empty.
bool write_placed_message(Lane* lane, MessageType type, const void* head, size_t head_bytes,
                          const void* tail, size_t tail_bytes, size_t records, uint64_t* position);

}  // namespace telinject::program
