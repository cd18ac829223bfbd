// Telemetry v3 events as lines of JSON. The schema is telemetry-v3.schema.json, in this folder; it
// names each field's source.
//
// What is constant for a process, a function's call site or a thread is prepared text; an event is
// a few copies of it and a few numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/channel/ids.h"
#include "shim/events/json_text.h"

namespace telinject {

// The end of every event of a process: `"service":{...},...,"process":{...}}` and a newline, and
// what stands before: `"trace_flags":"01","sample_rate":...`.
struct ProcessText {
  std::string sampling;  // ,"trace_flags":"01","sample_rate":1.0
  std::string tail;      // ,"service":{...}, ... }\n
};

// Ids and time of one event.
struct EventPlace {
  uint64_t sequence = 0;
  int64_t timestamp_ns = 0;
  TraceId trace = {};
  uint64_t span_id = 0;
  uint64_t parent_span_id = 0;  // 0: null
};

// What an exit may say besides.
struct ExitNote {
  std::string_view exit_kind;   // "telinject.exit", or empty for a plain return
  bool upper_bound = false;     // "telinject.duration_bound":"upper"
  std::string_view error_type;  // empty: no error
  std::string_view error_message;
};

class EventEncoder {
 public:
  explicit EventEncoder(LineBuffer* out) : out_(out) {}

  // `name` and the attributes are escaped JSON (sites.h); attributes end in a comma or are empty.
  void function_entry(const EventPlace& place, std::string_view name, std::string_view attributes,
                      std::string_view thread_attributes, const ProcessText& process);
  void function_exit(const EventPlace& place, int64_t duration_ns, std::string_view name,
                     std::string_view attributes, std::string_view thread_attributes,
                     const ExitNote* note, const ProcessText& process);
  // Calls that were not recorded: severity WARN.
  void loss(const EventPlace& place, std::string_view reason, uint64_t calls,
            std::string_view thread_attributes, const ProcessText& process);

 private:
  void begin(const EventPlace& place, std::string_view type_and_severity, std::string_view name);
  void ids(const EventPlace& place, const ProcessText& process);
  void end(const EventPlace& place, std::string_view prefix, const ProcessText& process);
  void timestamp(int64_t ns);

  LineBuffer* out_;
  int64_t second_ = -1;        // of the prepared text
  char second_text_[20] = {};  // 2026-11-21T12:34:56
};

}  // namespace telinject
