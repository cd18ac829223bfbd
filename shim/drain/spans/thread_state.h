// What parts of the processor remember of a thread and of its process: each part its own struct,
// which is saved with the thread. Who owns what is said in the parts' headers.
#pragma once

#include <cstdint>
#include <optional>

#include "shim/drain/records/run_times.h"
#include "shim/drain/tree/call_tree.h"
#include "shim/drain/tree/flights.h"

namespace telinject::drain {

// main's return, which waits for the exit status.
struct DeferredExit {
  Frame frame = {};
  int64_t end_ns = 0;

  template <typename Archive>
  void io(Archive& a) {
    a(frame, end_ns);
    if (end_ns < frame.start_ns) a.fail();
  }
};

// For exception_spans.h (flights, terminating) and exit_errors.h.
struct ErrorState {
  Flights flights;
  std::optional<DeferredExit> deferred_main;
  bool terminating = false;  // an exception is not caught: what follows is std::terminate's
  bool crashed = false;
  uint32_t crash_stacks_told = 0;

  template <typename Archive>
  void io(Archive& a) {
    a(flights, deferred_main, terminating, crashed, crash_stacks_told);
  }
};

// What a thread said when a fatal signal came.
struct Crash {
  int signal = 0;
  ErrorText error;

  template <typename Archive>
  void io(Archive& a) {
    a(signal, error);
  }
};

// For call_losses.h: lost calls that have been told in the stream, and that have not.
struct LossesTold {
  uint64_t told = 0, untold = 0;
  uint64_t last_event_ns = 0;

  template <typename Archive>
  void io(Archive& a) {
    a(told, untold, last_event_ns);
  }
};

// Likewise, of a process: calls of stacks that gave way.
struct ForgottenCalls {
  uint64_t untold = 0;
  int64_t last_event_ns = 0;

  template <typename Archive>
  void io(Archive& a) {
    a(untold, last_event_ns);
  }
};

// For time_away.h.
struct RunDelayTrack {
  std::optional<RunDelaySample> first, last;
  RunTimes run;               // between them
  int64_t away_ns = 0;        // since the last one: waited for room in the lane, or was preempted
  uint64_t waited_until = 0;  // ticks: the end of the last wait; not saved

  template <typename Archive>
  void io(Archive& a) {
    a(first, last, run, away_ns);
  }
};

}  // namespace telinject::drain
