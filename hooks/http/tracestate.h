// The tracestate that came with a trace: what other tracers want to find again. It is passed on as
// it came, with requests that go on with that trace (W3C Trace Context); we put nothing into it.
//
// Async-signal-safe.
#pragma once

#include <cstddef>

#include "hooks/http/connection.h"

namespace telinject::program {

inline constexpr size_t kMaxTracestate = 512;  // longer ones need not be passed on

// Remembers the tracestate of a request that this thread has received, with that trace, until it
// receives the next one. Nothing, if there is none, or it is too long or not printable.
void keep_tracestate(const Block& block, const TraceContext& trace);
// The tracestate that the process was started with; null: none. Must stay where it is.
void inherit_tracestate(const char* text, const TraceContext& trace);

// What to send along with that trace from this thread; the number of characters, 0: nothing.
size_t tracestate_of(const TraceContext& trace, char out[kMaxTracestate]);

}  // namespace telinject::program
