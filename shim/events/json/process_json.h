// The constant part of a process's events.
#pragma once

#include <cstdint>
#include <string>

#include "shim/events/event.h"
#include "shim/metadata/metadata.h"

namespace telinject {

// The end of every event of a process: `"service":{...},...,"process":{...}}` and a newline, and
// what stands before: `"trace_flags":"01","sample_rate":...`.
struct ProcessJson {
  std::string sampling;  // ,"trace_flags":"01","sample_rate":1.0
  std::string tail;      // ,"service":{...}, ... }\n
};

ProcessJson make_process_json(const Metadata& metadata, const ProcessInfo& process);

// Lean: refers to the telemetry_process event of that span id.
ProcessJson make_lean_process_json(uint64_t reference);

}  // namespace telinject
