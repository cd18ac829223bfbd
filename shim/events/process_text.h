// The constant part of a process's events.
#pragma once

#include <cstdint>
#include <string>

#include "shim/events/event_encoder.h"
#include "shim/metadata/host.h"
#include "shim/metadata/service.h"

namespace telinject {

struct ProcessFacts {
  int pid = 0;
  std::string executable;    // "" if not known
  std::string command_line;  // as it was; secrets are taken out here
  std::string language;      // "c", "cpp"
  std::string runtime_version;
};

// `sample_rate` in billionths, as settings.h has it.
ProcessText make_process_text(const Service& service, const Host& host, const ProcessFacts& facts,
                              uint64_t sample_rate);

// Lean: refers to the telemetry_process event of that span id.
ProcessText make_lean_process_text(uint64_t reference);

}  // namespace telinject
