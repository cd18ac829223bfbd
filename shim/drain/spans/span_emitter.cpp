#include "shim/drain/spans/span_emitter.h"

#include <algorithm>
#include <utility>

namespace telinject::drain {

namespace {

// The parent of that span, if it is open on the stack; else `otherwise`.
uint64_t parent_of(uint64_t span, const FrameStack* stack, uint64_t otherwise) {
  if (stack == nullptr) return otherwise;
  for (const Frame& frame : stack->frames) {
    if (frame.span_id == span) otherwise = frame.parent_span_id;
  }
  return otherwise;
}

}  // namespace

void SpanEmitter::decide_at_entry(Thread* thread, FrameStack* stack) {
  events_->count_process(thread->process);
  Frame& frame = stack->frames.back();
  if (stack->frames.size() == 1) {
    FrameStack* below = thread->tree.stack_below(stack);
    if (below != nullptr) emit_deferred(thread, below);
    stack->base_depth = below != nullptr ? below->call_depth() : 0;
  }
  if (!frame.sampled) {
    frame.filtered_by = FilteredBy::kSampleRate;
    frame.emit_state = EmitState::kFiltered;
    return;
  }
  frame.filtered_by = filter_->judge(frame.site->filtered_by, stack->call_depth());
  bool root = frame.parent_span_id == 0;
  if (frame.filtered_by != FilteredBy::kNothing) {
    frame.emit_state = root ? EmitState::kDeferred : EmitState::kFiltered;
    return;
  }
  frame.emit_state = EmitState::kDeferred;
  if (filter_->min_duration_ns == 0) emit_deferred(thread, stack);
}

// The starts that are deferred, outermost first. Each frame is looked at once: what has been
// settled stays so until it is closed.
void SpanEmitter::emit_deferred(Thread* thread, FrameStack* stack) {
  auto& frames = stack->frames;
  for (size_t i = stack->settled; i < frames.size(); i++) {
    if (frames[i].emit_state != EmitState::kDeferred) continue;
    frames[i].emit_state = EmitState::kEmitted;
    events_->entry(thread, frames[i], i == 0);
  }
  stack->settled = frames.size();
}

bool SpanEmitter::decide_at_exit(Thread* thread, FrameStack* stack, const Frame& frame,
                                 ExitKind kind, int64_t duration_ns) {
  stack->settled = std::min(stack->settled, stack->frames.size());
  if (frame.emit_state == EmitState::kEmitted) return true;
  // The calls that a process died in are its last word; and what an exception leaves, be it ever so
  // short, is the exception's story.
  const Flights& flights = thread->errors.flights;
  bool last_words = kind == ExitKind::kKilled || kind == ExitKind::kUnknown;
  bool thrown_through = !flights.empty() && frame.number <= flights.back().opened;
  bool long_enough = duration_ns >= filter_->min_duration_ns;
  bool passes = frame.filtered_by == FilteredBy::kNothing;
  if ((passes && (last_words || long_enough || thrown_through)) ||
      (frame.emit_state == EmitState::kDeferred && thrown_through)) {
    emit_deferred(thread, stack);
    events_->entry(thread, frame, stack->frames.empty());
    return true;
  }
  FilteredBy reason = passes ? FilteredBy::kMinDuration : frame.filtered_by;
  events_->facts().filtered[static_cast<size_t>(reason)]++;
  return false;
}

EventPlace SpanEmitter::place_in(Thread* thread, FrameStack* stack, const Frame& frame,
                                 int64_t ns) {
  uint64_t span = frame.span_id, parent = frame.parent_span_id;
  if (filtering_) {
    emit_deferred(thread, stack);
    if (frame.emit_state == EmitState::kFiltered) {
      span = std::exchange(parent, 0);
      parent = parent_of(span, stack, parent);
      parent = parent_of(span, thread->tree.stack_below(stack), parent);
    }
  }
  return {0, ns, frame.trace, span, parent};
}

}  // namespace telinject::drain
