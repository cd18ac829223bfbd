// What threads did with their time besides their calls: waits for room in their lanes, preemptions,
// and what the kernel's run delay says (collect/run_delay.h).
//
// A sample is of a moment between two records of its thread. It is looked at when all records
// before that moment have been, so that the calls which are open are those that were open then.
// Where it comes too late for that, some that were open have ended, and say nothing; what is still
// open was open then.
//
// Owns, in the model: Thread::run_delay; in the summary's facts: waits, preemptions and run times.
#pragma once

#include <cstdint>

#include "shim/drain/records/clock_keeper.h"
#include "shim/drain/records/run_times.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/process_model.h"

namespace telinject::drain {

class TimeAway {
 public:
  // What is not the program's time.
  enum class Kind {
    kWait,        // for room in the thread's lane
    kPreemption,  // another thread had its processor
  };

  TimeAway(ClockKeeper* clock, EventWriter* events) : clock_(clock), events_(events) {}

  // For the `span` ticks up to that time.
  void away(Thread* thread, Kind kind, uint64_t ticks, uint64_t span);
  void sampled(Thread* thread, const RunDelaySample& sample);

 private:
  int64_t span_until(uint64_t ticks, uint64_t span);
  RunTimes run_until(const RunDelaySample& first, const RunDelaySample& sample);
  void count(Thread* thread, const RunTimes& run);

  ClockKeeper* clock_;
  EventWriter* events_;
};

}  // namespace telinject::drain
