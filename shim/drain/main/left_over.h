// What is left when the user interrupts telrun while it waits for the drain: a recording of what
// has not been written yet, which `telinject convert` goes on with.
#pragma once

#include <string>

#include "shim/channel/session.h"
#include "shim/drain/recording/recorder.h"
#include "shim/drain/spans/processor.h"

namespace telinject::drain {

struct LeftOver {
  std::string directory;     // a folder is made in it
  std::string file, totals;  // where the beginning was written; "" if that is no file
  std::string outputs;       // TELEMETRY_OUTPUT, if there is more to it than the file
  std::string facts;         // of the recording
  ClockAnchor start;         // the moment of the facts' wall clock time
};

// Takes the place of the processor, which was stopped before it took `first`, until kLastWords.
// Says how to go on when the program has ended. What cannot be left is counted by the processor,
// and lost.
void leave_rest(const LeftOver& left, const Session& session, BatchQueue* queue,
                Processor* processor, Batch first, Recorder::Hooks hooks);

// The recording's file in a folder: one a drain, for a folder may take several.
std::string recording_path(const std::string& folder, const Session& session);

}  // namespace telinject::drain
