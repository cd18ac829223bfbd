// The constant part of a process's events.
#pragma once

#include <cstdint>
#include <string>

#include "shim/events/json/event_encoder.h"
#include "shim/metadata/metadata.h"

namespace telinject {

struct ProcessFacts {
  int pid = 0;
  std::string executable;    // "" if not known
  std::string command_line;  // without secrets; what still looks like one is taken out
  std::string language;      // "c", "cpp"
  std::string runtime_version;
  std::string build_id;  // in hexadecimal, "" if it has none
};

// `sample_rate` in billionths, as settings.h has it.
ProcessText make_process_text(const Metadata& metadata, const ProcessFacts& facts,
                              uint64_t sample_rate);

// Lean: refers to the telemetry_process event of that span id.
ProcessText make_lean_process_text(uint64_t reference);

}  // namespace telinject
