// Calls that were not recorded: counted by their reason, and told in the stream, where they are
// missing, at most ten times a second. The ends of the calls that were open say it, too.
//
// The numbers are the program's: it may have written anything over them. What is more than there
// can have been since it began is told as an unknown number.
//
// Owns, in the model: Thread::losses, Process::forgotten and Process::unknown_losses_told, what was
// told and what was not yet.
#pragma once

#include <cstdint>

#include "shim/drain/records/clock_keeper.h"
#include "shim/drain/report/losses.h"
#include "shim/drain/spans/decision_time.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/process_model.h"

namespace telinject::drain {

class CallLosses {
 public:
  CallLosses(ClockKeeper* clock, const DecisionTime* time, EventWriter* events)
      : clock_(clock), time_(time), events_(events) {}

  // The thread's lane had no room for them. `now`: whatever is untold is told, no more will come.
  void lost(Thread* thread, uint64_t calls, uint64_t ticks, bool now);
  // Calls of threads that could not be recorded at all.
  void lost_in_segment(SegmentState* segment, LossReason reason, uint64_t calls, uint64_t ticks);
  // An exit that belongs to no entry.
  void exit_without_entry() { events_->losses().add(LossReason::kOrphanExit, 1); }
  // They were open on a coroutine's stack that had to give way.
  void forgotten(Process* process, uint64_t calls, uint64_t ticks);
  // At the end of the process.
  void tell_forgotten(Process* process, uint64_t ticks);

 private:
  uint64_t most_since_start(const SegmentState& segment) const;
  void lost_unknown(Process* process, LossReason reason, uint64_t ticks);

  ClockKeeper* clock_;
  const DecisionTime* time_;
  EventWriter* events_;
};

}  // namespace telinject::drain
