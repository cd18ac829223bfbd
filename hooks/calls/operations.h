// What every kind of operation (HTTP is one) needs of the hooks: the trace that it belongs to, and
// a message about it in the lane. Async-signal-safe.
#pragma once

#include <cstddef>

#include "hooks/lane/state.h"
#include "shim/channel/message.h"
#include "shim/channel/operation.h"

namespace telinject::program {

// The current thread's lane, claimed now if need be; null if nothing is to be recorded. `sp` is the
// caller's stack pointer.
Lane* lane_of_thread(uintptr_t sp);

// A trace that starts here.
void new_trace(Lane* lane, OperationContext* context);

// Writes a message of two parts into the current thread's lane, of at least `records` records.
// Stores the position of its first record, which names a span, in *position. If it does not fit, or
// this code is interrupted by a signal handler that comes here, too, it is counted as lost.
bool write_operation(MessageType type, const void* head, size_t head_bytes, const void* tail,
                     size_t tail_bytes, uint64_t* position, size_t records = 0);

}  // namespace telinject::program
