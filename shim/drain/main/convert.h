// telinject convert: events from recordings.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shim/drain/main/recorded_facts.h"
#include "shim/drain/report/totals_report.h"
#include "shim/sinks/sink.h"

namespace telinject::drain {

struct ConvertOptions {
  std::string output;     // the sink's file, for the summary's next command; "" if it is none
  bool summary = false;   // print one for each recording
  bool progress = false;  // standard error is a terminal
  size_t threads = 1;     // that encode
  OutputChoice choice;    // for those that do not say themselves
  std::unique_ptr<DocumentFile> totals;  // null: not wanted; else there must be one recording only
};

// Converts each path, a recording or a folder of them, one after the other. The sink is used up.
// Returns the exit status: 0, or 1 if anything could not be read or written; one line each on
// standard error says what.
int convert(const std::vector<std::string>& paths, std::unique_ptr<Sink> sink,
            ConvertOptions options);

}  // namespace telinject::drain
