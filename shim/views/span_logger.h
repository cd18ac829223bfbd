// The output of events that keeps them in a SpanLog.
#pragma once

#include <memory>

#include "shim/events/event_output.h"
#include "shim/views/span_log.h"

namespace telinject::views {

// Adds to `log`, which must outlive it. Several may add to the same log, one after the other.
// flush() and the end give the calls that are open a length up to the last event.
//
// Calls beyond `most_calls` are in the sums only (SpanLog::unshown_calls).
std::unique_ptr<EventOutput> make_span_logger(SpanLog* log, uint64_t most_calls);

// So many calls fit into a quarter of this memory, with what a report needs besides.
uint64_t most_calls(uint64_t memory_bytes);

}  // namespace telinject::views
