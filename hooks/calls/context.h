// The current span, which a thread passes on to threads it creates, to children it forks and, in
// TRACEPARENT, to programs it executes.
//
// Children within the session refer to a record in this lane (RecordRef), from which the drain
// finds the exact parent span. Others get a span id as text. It must be the id of a span that will
// be written, so it is found by walking back over those of the lane's records that are still there.
// If that does not find the innermost open call, the id is the root's.
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

// True if the current thread has a trace, from an open root or inherited. `sp` is the caller's
// stack pointer (__builtin_dwarf_cfa() of the wrapper). Async-signal-safe, makes no system call,
// looks at 4,096 records at most.
bool current_context(uintptr_t sp, TraceContext* out);

// Writes a record of `kind` (kSpawn, kExec) into the lane, to which children refer. Returns {} if
// nothing is being recorded on this thread.
RecordRef mark_record(ControlKind kind, uintptr_t sp);

// While a thread serves an open request, that request's span is its context. Afterwards the context
// is the lane's own again.
void serve(Lane* lane, const TraceContext& context, uint64_t position, uint64_t connection,
           uint32_t exchange);
void stop_serving(Lane* lane);
// Called before a thread's context is used. From now on the ends of requests must be seen.
inline void note_context_asked(const Lane* lane) {
  if (lane->served.ever) g_process.context_asked.store(true, std::memory_order_relaxed);
}
// Stops serving if another thread has ended the request.
inline void settle_served(Lane* lane) {
  if (__atomic_load_n(&lane->served.over, __ATOMIC_ACQUIRE) != 0) stop_serving(lane);
}

}  // namespace telinject::program
