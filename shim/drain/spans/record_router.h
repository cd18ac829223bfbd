// Passes the records of a lane on, in their order: calls to the thread's tree, the others to the
// parts that know what they mean.
//
// Owns nothing; what has been read and not taken is in the lane (LaneTrack).
//
// Promises: before a record is taken, so is what the drain itself knows of the time before it
// (preemptions, samples of run delay).
#pragma once

#include <cstdint>

#include "shim/drain/records/clock_keeper.h"
#include "shim/drain/spans/call_losses.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/exception_spans.h"
#include "shim/drain/spans/exit_errors.h"
#include "shim/drain/spans/operation_kinds.h"
#include "shim/drain/spans/process_ends.h"
#include "shim/drain/spans/process_model.h"
#include "shim/drain/spans/process_table.h"
#include "shim/drain/spans/span_emitter.h"
#include "shim/drain/spans/spawn_contexts.h"
#include "shim/drain/spans/time_away.h"

namespace telinject::drain {

class RecordRouter {
 public:
  struct Parts {
    ClockKeeper* clock;
    ProcessTable* table;
    ProcessEnds* ends;
    SpawnContexts* spawn_contexts;
    SpanEmitter* emitter;
    ExceptionSpans* exceptions;
    ExitErrors* exit_errors;
    CallLosses* losses;
    TimeAway* time_away;
    OperationKinds* operations;
    EventWriter* events;
  };
  static constexpr uint64_t kAll = ~uint64_t{0};

  explicit RecordRouter(const Parts& parts) : parts_(parts) {}

  // Up to that time.
  void take(const LanePlace& at, uint64_t until);
  // All that is left, of a lane that ended then.
  void take_last(const LanePlace& at, uint64_t ended);

 private:
  struct Control;

  void take_preemptions(LaneTrack* lane, uint64_t until);
  void take_samples(LaneTrack* lane, uint64_t until);
  void take_control(const LanePlace& at, const uint64_t* record);
  static bool move_in_tree(CallTree* tree, const Control& control);
  void tell(const LanePlace& at, Thread* thread, const Control& control);
  void begin_root(Thread* thread, const Control& control);
  void spawn(const LanePlace& at, Thread* thread, const Control& control);
  void take_message(const LanePlace& at, const AssembledMessage& message, uint64_t ticks);
  void tell(Thread* thread, const AssembledMessage& message, uint64_t ticks);

  Parts parts_;
};

}  // namespace telinject::drain
