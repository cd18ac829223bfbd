// Who asks for what the flight recorder keeps: SIGUSR1 to the drain, or `telinject dump`
// (dump_command.h). And the moments at which what keeps events looks at the time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "shim/drain/queue/batch_queue.h"

namespace telinject::drain {

class Dumps {
 public:
  // What is there to dump: nothing, for the trace is a recording or keeps no events; only time
  // passes, for tail sampling; or a flight recorder.
  enum class Of { kRecording, kNothing, kTailSampling, kFlightRecorder };

  // SIGUSR1 is taken from now on, and does nothing without a flight recorder.
  explicit Dumps(Of of);

  // From the control thread. Answers, and closes the connection, when it is done.
  void asked(int connection);
  std::vector<Notice> notices();

 private:
  const Of of_;
  uint64_t next_look_ns_ = 0;
  std::vector<Notice> waiting_;
};

}  // namespace telinject::drain
