// What the drain writes: where, and what is said if it cannot be opened. Each problem is one line,
// the program runs on.
#pragma once

#include <memory>
#include <string>

#include "shim/channel/settings.h"
#include "shim/drain/main/destinations.h"
#include "shim/drain/main/recorded_facts.h"
#include "shim/drain/report/totals_report.h"
#include "shim/events/event_output.h"
#include "shim/sinks/sink.h"

namespace telinject::drain {

// Empty if it has no path: deleted, or outside of what this process sees.
std::string working_directory();
// A relative path stays one where the directory has no path.
std::string absolute(const std::string& path, const std::string& directory);
// The setting's folder, for what is opened when the working directory is another.
std::string spool_directory(const Settings& settings, const std::string& directory);
// Why a file cannot be opened, with the reason behind the reason.
std::string why_not(const std::string& problem, const std::string& path);

// What makes text of events, in the format that was chosen, for each of the destinations, which
// must outlive it; and what keeps events before them, if that was chosen. `encoders`: the threads
// that may encode. `live`: of a program that runs now.
EventOutputs make_outputs(const Destinations& destinations, const OutputChoice& choice,
                          const Workers& encoders, bool live);

// Null if there is none. With a bare preload several programs may have the same setting in their
// environment, each with a drain: the file is the first one's (docs/output.md).
enum class TotalsOf { kTelrun, kPreload, kRecording };
std::unique_ptr<DocumentFile> open_totals(const Settings& settings, const std::string& directory,
                                          TotalsOf of);

}  // namespace telinject::drain
