// What is filtered by the user's choice: span_filter.h has the rules.
#include <algorithm>
#include <utility>

#include "shim/drain/spans/processor.h"

namespace telinject::drain {

void Processor::decide_at_entry(Thread* thread, FrameStack* stack) {
  const SpanFilter& filter = options_.filter;
  events_.count_process(thread->process);
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
  frame.filtered_by = filter.judge(frame.site->filtered_by, stack->call_depth());
  bool root = frame.parent_span_id == 0;
  if (frame.filtered_by != FilteredBy::kNothing) {
    frame.emit_state = root ? EmitState::kDeferred : EmitState::kFiltered;
    return;
  }
  frame.emit_state = EmitState::kDeferred;
  if (filter.min_duration_ns == 0) emit_deferred(thread, stack);
}

// The entries that are deferred, outermost first. Each frame is looked at once: what has been
// settled stays so until it is closed.
//
// Also called where a thread, a process or a coroutine begins: the call that began it becomes their
// parent, in other processes too, so it is written however short it may prove.
void Processor::emit_deferred(Thread* thread, FrameStack* stack) {
  auto& frames = stack->frames;
  for (size_t i = stack->settled; i < frames.size(); i++) {
    if (frames[i].emit_state != EmitState::kDeferred) continue;
    frames[i].emit_state = EmitState::kEmitted;
    events_.entry(thread, frames[i]);
  }
  stack->settled = frames.size();
}

// Whether the exit is written, for a frame that was taken off its stack.
bool Processor::decide_at_exit(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                               int64_t duration_ns) {
  stack->settled = std::min(stack->settled, stack->frames.size());
  if (frame.emit_state == EmitState::kEmitted) return true;
  // The calls that a process died in are its last word; and what an exception leaves, be it ever so
  // short, is the exception's story.
  bool last_words = kind == ExitKind::kKilled || kind == ExitKind::kUnknown;
  bool thrown_through = !thread->flights.empty() && frame.number <= thread->flights.back().opened;
  bool long_enough = duration_ns >= options_.filter.min_duration_ns;
  if ((frame.filtered_by == FilteredBy::kNothing &&
       (last_words || long_enough || thrown_through)) ||
      (frame.emit_state == EmitState::kDeferred && thrown_through)) {
    emit_deferred(thread, stack);
    events_.entry(thread, frame);
    return true;
  }
  FilteredBy reason =
      frame.filtered_by != FilteredBy::kNothing ? frame.filtered_by : FilteredBy::kMinDuration;
  events_.facts().filtered[static_cast<size_t>(reason)]++;
  return false;
}

// The span in which an event of that frame is told: its own, or the nearest that is written.
// `stack` is the one that holds it, or has just lost it. Without a number.
EventPlace Processor::place_in(Thread* thread, FrameStack* stack, const Frame& frame, int64_t ns) {
  uint64_t span = frame.span_id, parent = frame.parent_span_id;
  if (filtering_) {
    emit_deferred(thread, stack);
    const FrameStack* below = thread->tree.stack_below(stack);
    if (frame.emit_state == EmitState::kFiltered) {
      span = std::exchange(parent, 0);
      for (const FrameStack* s : {static_cast<const FrameStack*>(stack), below}) {
        if (s == nullptr) continue;
        for (const Frame& above : s->frames) {
          if (above.span_id == span) parent = above.parent_span_id;
        }
      }
    }
  }
  return {0, ns, frame.trace, span, parent};
}

}  // namespace telinject::drain
