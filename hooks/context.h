// The current span, for what a thread hands on: to threads it creates, to children it forks, and in
// TRACEPARENT to programs it executes.
//
// Children within the session refer to a record in this lane (RecordRef), from which the drain
// finds the exact parent span. Others get a span id in text, and that must be one that will be
// written: it is found by walking back over the lane's records, as far as the drain has left them,
// and is the root's if that does not lead to the innermost open call.
#pragma once

#include "hooks/state.h"

namespace telinject {

// True if the current thread has a trace: an open root, or one it inherited. `sp` is the caller's
// stack pointer (__builtin_dwarf_cfa() of the wrapper). Async-signal-safe, no system call; bounded
// by 4,096 records.
bool current_context(uintptr_t sp, TraceContext* out);

// Writes a record of `kind` (kSpawn, kExec) into the lane, for children to refer to; {} if nothing
// is being recorded on this thread.
RecordRef mark_record(ControlKind kind, uintptr_t sp);

// A thread that serves a request has its span as its context, as long as the request is open; then
// the lane's own again. settle: looks whether another thread has ended it. note_context_asked: the
// end of a request matters from now on, as it does to everybody who asks for a thread's context.
void serve(Lane* lane, const TraceContext& context, uint64_t position, uint64_t connection,
           uint32_t exchange);
void stop_serving(Lane* lane);
inline void note_context_asked(const Lane* lane) {
  if (lane->served.ever) g_process.context_asked.store(true, std::memory_order_relaxed);
}
inline void settle_served(Lane* lane) {
  if (__atomic_load_n(&lane->served.over, __ATOMIC_ACQUIRE) != 0) stop_serving(lane);
}

}  // namespace telinject
