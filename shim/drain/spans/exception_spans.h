// Exceptions in flight: which calls they leave, with what error, and the events that tell where
// each was thrown and how it ended. tree/flights.h says what a flight is.
//
// Owns, in the model: Thread::errors.flights and .terminating.
//
// Promises: an exception is told at most once, in the span in which it ended or in the nearest one
// that is emitted; a call that it left has it as its error. Not told are those outside the sample,
// and those that were left behind when an older one went on.
#pragma once

#include <cstdint>
#include <string>

#include "shim/drain/naming/stack_text.h"
#include "shim/drain/records/clock_keeper.h"
#include "shim/drain/records/message_assembler.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/process_model.h"
#include "shim/drain/spans/span_emitter.h"

namespace telinject::drain {

class ExceptionSpans {
 public:
  ExceptionSpans(ClockKeeper* clock, StackNamer* stacks, SpanEmitter* emitter, EventWriter* events)
      : clock_(clock), stacks_(stacks), emitter_(emitter), events_(events) {}

  void thrown(Thread* thread, const AssembledMessage& message, uint64_t ticks);
  // Also closes the calls that are below the unwinder's place.
  void unwound(Thread* thread, uint64_t word, uint64_t pc, uint64_t sp, uint64_t ticks);

  // The exception that has left a frame which is being closed and was on `stack`; null if none has.
  // Ends flights that this shows to be over. Some flight is there.
  Flight* flight_that_left(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                           int64_t ns);

 private:
  enum class Outcome { kCaught, kNotCaught, kLeft, kUnknown };
  // A span, which is open, or is being closed and was on `stack`; and when.
  struct Place {
    Thread* thread;
    FrameStack* stack;
    const Frame& frame;
    int64_t ns;
  };
  struct Catcher;
  struct Story;

  Flight flight_of(Thread* thread, const AssembledMessage& message, const ThrowMessage& head);
  void end_landed(Thread* thread, uint64_t sp, uint64_t ticks);
  void end_at(Thread* thread, UnwindKind kind, uint64_t pc, uint64_t sp, uint64_t ticks);
  Flight* flight_that_left_all(const Place& place);
  void end_all(const Place& place, Outcome outcome);
  void end_flight(const Place& place, Outcome outcome, uint64_t pc);
  void tell(const Place& place, const Flight& flight, Outcome outcome, const Catcher& catcher);
  int64_t time_in(const Frame& frame, uint64_t ticks);

  ClockKeeper* clock_;
  StackNamer* stacks_;
  SpanEmitter* emitter_;
  EventWriter* events_;
};

}  // namespace telinject::drain
