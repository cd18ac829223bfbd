// The spans of calls: from a tree's frames to events, and into the totals of their functions.
//
// Owns no state: a call that is open is a Frame of its thread's tree.
//
// Promises: each frame that is closed counts in its function's totals, and its time in its
// parent's, whether its span is emitted or not.
#pragma once

#include <cstdint>

#include "shim/drain/records/clock_keeper.h"
#include "shim/drain/spans/call_losses.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/exception_spans.h"
#include "shim/drain/spans/exit_errors.h"
#include "shim/drain/spans/process_model.h"
#include "shim/drain/spans/span_emitter.h"

namespace telinject::drain {

class CallSpans final : public SpanWriter {
 public:
  CallSpans(ClockKeeper* clock, SpanEmitter* emitter, ExceptionSpans* exceptions,
            ExitErrors* exit_errors, CallLosses* losses, EventWriter* events)
      : clock_(clock),
        emitter_(emitter),
        exceptions_(exceptions),
        exit_errors_(exit_errors),
        losses_(losses),
        events_(events) {}

  void span_opened(Thread* thread, const Frame& frame) override;
  void span_closed(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                   uint64_t end_ticks, bool upper_bound) override;
  void exit_without_entry(Thread*) override { losses_->exit_without_entry(); }
  void stack_forgotten(Thread* thread, uint64_t calls, uint64_t ticks) override {
    losses_->forgotten(thread->process, calls, ticks);
  }

  // Ends what is open on the process's coroutines, if it has a thread.
  void close_coroutines(Process* process, ExitKind kind, uint64_t ticks);

 private:
  // A frame that was taken off its stack.
  struct Closed {
    Thread* thread;
    FrameStack* stack;
    const Frame& frame;
    ExitKind kind;
    int64_t end_ns;
    bool upper_bound;
  };

  void close(const Closed& closed);
  static void count(const Closed& closed, int64_t duration_ns);
  // `flight`: the exception that has left it, or null.
  static void count_error(const Closed& closed, const Flight* flight);
  void emit_end(const Closed& closed, Flight* flight);
  void emit_end_with_note(const Closed& closed, Flight* flight);

  ClockKeeper* clock_;
  SpanEmitter* emitter_;
  ExceptionSpans* exceptions_;
  ExitErrors* exit_errors_;
  CallLosses* losses_;
  EventWriter* events_;
};

}  // namespace telinject::drain
