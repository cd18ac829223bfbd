// Which spans of calls are emitted, and when: the start at once, as soon as something that is
// emitted needs it as a parent, or never. naming/span_filter.h has the rules.
//
// Owns no state: what was decided of a span is in its Frame (emit_state, filtered_by), and how far
// a stack is settled in its FrameStack; both are saved with the call tree.
//
// Promises: the parent of whatever is emitted has been emitted before it; a span that is not
// emitted is counted once, under the filter that it did not pass.
#pragma once

#include <cstdint>

#include "shim/drain/naming/span_filter.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/process_model.h"

namespace telinject::drain {

class SpanEmitter {
 public:
  // `all_recorded`: calls outside the sample come, too, to be counted.
  SpanEmitter(const SpanFilter* filter, bool all_recorded, EventWriter* events)
      : filter_(filter), filtering_(filter->active() || all_recorded), events_(events) {}

  // The frame is the innermost of the tree's stack().
  void opened(Thread* thread, const Frame& frame) {
    if (filtering_ || !frame.sampled) {
      decide_at_entry(thread, thread->tree.stack());
    } else {
      events_->entry(thread, frame, thread->tree.stack()->frames.size() == 1);
    }
  }
  // Whether the end is to be emitted, for a frame that was taken off its stack.
  bool closed(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
              int64_t duration_ns) {
    return (!filtering_ && frame.sampled) ||
           decide_at_exit(thread, stack, frame, kind, duration_ns);
  }

  // The innermost frame becomes a parent (of a thread, a process, a request, ...), in other
  // processes, too: it is emitted however short it may prove, and what is above it.
  void need(Thread* thread, FrameStack* stack) {
    if (filtering_) emit_deferred(thread, stack);
  }

  // The span in which an event of that frame is told: its own, or the nearest that is emitted.
  // `stack` is the one that holds it, or has just lost it. Without a number.
  EventPlace place_in(Thread* thread, FrameStack* stack, const Frame& frame, int64_t ns);

 private:
  void decide_at_entry(Thread* thread, FrameStack* stack);
  bool decide_at_exit(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                      int64_t duration_ns);
  void emit_deferred(Thread* thread, FrameStack* stack);

  const SpanFilter* filter_;
  const bool filtering_;
  EventWriter* events_;
};

}  // namespace telinject::drain
