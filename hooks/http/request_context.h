// Which trace a request belongs to.
#pragma once

#include "hooks/http/connection.h"

namespace telinject {

// The value of a field "traceparent" of an HTTP/1 header block, in any case, if it is valid and the
// only one.
bool find_traceparent(const Block& block, TraceContext* out);

// Of a request that was received: what it brought, else a trace of its own.
bool server_context(uintptr_t sp, const TraceContext& incoming, HttpContext* context);
// A trace that starts here.
void new_trace(Lane* lane, HttpContext* context);

// The current thread's lane, claimed now if need be; null if nothing is to be recorded.
Lane* lane_of_thread(uintptr_t sp);

}  // namespace telinject
