// What is left out by the user's choice: span_filter.h has the rules.
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
    if (below != nullptr) write_held(thread, below);
    stack->base_depth = below != nullptr ? below->call_depth() : 0;
  }
  if (!frame.sampled) {
    frame.left_out = LeftOut::kSampleRate;
    frame.fate = Fate::kLeftOut;
    return;
  }
  frame.left_out = filter.judge(frame.site->left_out, stack->call_depth());
  bool root = frame.parent_span_id == 0;
  if (frame.left_out != LeftOut::kNo) {
    frame.fate = root ? Fate::kHeld : Fate::kLeftOut;
    return;
  }
  frame.fate = Fate::kHeld;
  if (filter.min_duration_ns == 0) write_held(thread, stack);
}

// The entries that are held back, outermost first. Each frame is looked at once: what has been
// settled stays so until it is closed.
//
// Also called where a thread, a process or a coroutine begins: the call that began it becomes their
// parent, in other processes too, so it is written however short it may prove.
void Processor::write_held(Thread* thread, FrameStack* stack) {
  auto& frames = stack->frames;
  for (size_t i = stack->settled; i < frames.size(); i++) {
    if (frames[i].fate != Fate::kHeld) continue;
    frames[i].fate = Fate::kWritten;
    events_.entry(thread, frames[i]);
  }
  stack->settled = frames.size();
}

// Whether the exit is written, for a frame that was taken off its stack.
bool Processor::decide_at_exit(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                               int64_t duration_ns) {
  stack->settled = std::min(stack->settled, stack->frames.size());
  if (frame.fate == Fate::kWritten) return true;
  // The calls that a process died in are its last word; and what an exception leaves, be it ever so
  // short, is the exception's story.
  bool last_words = kind == ExitKind::kKilled || kind == ExitKind::kUnknown;
  bool thrown_through = !thread->flights.empty() && frame.number <= thread->flights.back().opened;
  bool long_enough = duration_ns >= options_.filter.min_duration_ns;
  if ((frame.left_out == LeftOut::kNo && (last_words || long_enough || thrown_through)) ||
      (frame.fate == Fate::kHeld && thrown_through)) {
    write_held(thread, stack);
    events_.entry(thread, frame);
    return true;
  }
  LeftOut reason = frame.left_out != LeftOut::kNo ? frame.left_out : LeftOut::kMinDuration;
  events_.facts().left_out[static_cast<size_t>(reason)]++;
  return false;
}

// The span in which an event of that frame is told: its own, or the nearest that is written.
// `stack` is the one that holds it, or has just lost it. Without a number.
EventPlace Processor::place_in(Thread* thread, FrameStack* stack, const Frame& frame, int64_t ns) {
  uint64_t span = frame.span_id, parent = frame.parent_span_id;
  if (filtering_) {
    write_held(thread, stack);
    const FrameStack* below = thread->tree.stack_below(stack);
    if (frame.fate == Fate::kLeftOut) {
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
