// The constant part of a process's events.
#pragma once

#include <cstdint>
#include <string>

#include "shim/events/event.h"
#include "shim/metadata/metadata.h"

namespace telinject {

// The end of every event of a process: `"service":{...},...,"process":{...}}` and a newline, and
// what stands before: `"trace_flags":"01","sample_rate":...`.
struct ProcessText {
  std::string sampling;  // ,"trace_flags":"01","sample_rate":1.0
  std::string tail;      // ,"service":{...}, ... }\n
};

ProcessText make_process_text(const Metadata& metadata, const ProcessInfo& process);

// Lean: refers to the telemetry_process event of that span id.
ProcessText make_lean_process_text(uint64_t reference);

}  // namespace telinject
