// telinject convert: events from recordings.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shim/drain/main/destinations.h"
#include "shim/drain/main/recorded_facts.h"
#include "shim/drain/report/totals_report.h"
#include "shim/events/event_output.h"

namespace telinject::drain {

struct ConvertOptions {
  std::string output;     // the file, for the summary's next command; "" if it is none
  bool summary = false;   // print one for each recording
  bool progress = false;  // standard error is a terminal
  size_t threads = 1;     // that encode
  OutputChoice choice;    // for those that do not say themselves
  std::unique_ptr<DocumentFile> totals;  // null: not wanted; else there must be one recording only
};

// The path itself, or all recordings in the folder, sorted.
std::vector<std::string> recordings_in(const std::string& path);

// Passes the events of a recording to outputs that are made for it. `choice`: of the recording if
// it has one, else that of `wanted`. False if something could not be read or written; the user is
// told.
using MakeOutputs = std::function<EventOutputs(const OutputChoice& choice)>;
bool replay(const std::string& path, const MakeOutputs& make, ConvertOptions* wanted);

// Converts each path, a recording or a folder of them, one after the other, or
// what a receiver could not be sent. The destinations are used up.
// Returns the exit status: 0, or 1 if anything could not be read or written; one line each on
// standard error says what.
int convert(const std::vector<std::string>& paths, Destinations* destinations,
            ConvertOptions options);

}  // namespace telinject::drain
