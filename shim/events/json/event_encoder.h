// Telemetry v3 events as lines of JSON. The schema is ../telemetry-v3.schema.json; it
// names each field's source.
//
// What is constant for a process, a function's call site, a thread, a trace or a second is prepared
// text; an event is some copies of it and a few numbers.
//
// In lean detail the texts of processes and call sites are events of their own (telemetry_process,
// telemetry_function), written once, and the other events have their span ids in place of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/channel/ids.h"
#include "shim/events/json/line_buffer.h"

namespace telinject {

// The end of every event of a process: `"service":{...},...,"process":{...}}` and a newline, and
// what stands before: `"trace_flags":"01","sample_rate":...`.
struct ProcessText {
  std::string sampling;  // ,"trace_flags":"01","sample_rate":1.0
  std::string tail;      // ,"service":{...}, ... }\n
};

// What is constant in the events of a function that is called from one place.
struct FunctionText {
  std::string name;         // ,"function_name":"f"
  std::string entry;        // ,"message":"Function 'f' entry",...,"attributes":{...,
  std::string exit_before;  // ,"message":"Function 'f' exit (
  std::string exit_after;   // ms)",...,"attributes":{...,
  std::string attributes;   // ...,
  // Lean: the span id of its telemetry_function event, 0 before that is written. A note of whoever
  // writes, who has the text as a constant.
  mutable uint64_t reference = 0;
};
// `name` is plain text; `attributes` are JSON members that each end in a comma, or empty.
FunctionText make_function_text(std::string_view name, std::string_view attributes);

// Ids and time of one event.
struct EventPlace {
  uint64_t sequence = 0;
  int64_t timestamp_ns = 0;  // since 1970
  TraceId trace = {};
  uint64_t span_id = 0;
  uint64_t parent_span_id = 0;  // 0: null
};

// What an exit may say besides.
struct ExitNote {
  std::string_view exit_kind;   // "telinject.exit", or empty for a plain return
  bool upper_bound = false;     // "telinject.duration_bound":"upper"
  std::string_view error_type;  // empty: no error. All three are JSON text, escaped
  std::string_view error_message;
  std::string_view error_stack;  // may be empty
  // "telinject.waited_ns", "telinject.preempted_ns", "telinject.lost_calls",
  // "telinject.not_running_ns", "telinject.http_wait_ns", if they are not 0.
  int64_t waited_ns = 0;
  int64_t preempted_ns = 0;
  uint64_t lost_calls = 0;
  int64_t not_running_ns = 0;
  int64_t http_ns = 0;

  bool empty() const {
    return exit_kind.empty() && error_type.empty() && waited_ns == 0 && preempted_ns == 0 &&
           lost_calls == 0 && not_running_ns == 0 && http_ns == 0;
  }
};

// An exception that was caught, or not. JSON text, escaped.
struct ExceptionNote {
  std::string_view function;    // that it is told in
  std::string_view message;     // of the event
  std::string_view attributes;  // members that each end in a comma
  std::string_view error_type, error_message, error_stack;
};

// An event of a span that is no function's: an HTTP request's. Parts of it, as JSON text.
struct SpanEvent {
  std::string_view type_and_severity;            // ,"event_type":"...","severity":"..."
  std::string_view function;                     // ,"function_name":"f", or empty
  int64_t duration_ns = -1;                      // -1: none
  std::string_view message_and_event;            // ,"message":"...","event":{...}
  std::string_view attributes, more_attributes;  // members, each ended by a comma
  std::string_view correlation_prefix;           // "http_"
  std::string_view more;                         // further members, each begun by a comma
};

class EventEncoder {
 public:
  explicit EventEncoder(LineBuffer* out, bool lean = false) : out_(out), lean_(lean) {}

  // `thread` are the thread's attributes, JSON members without a comma at the end.
  void function_entry(const EventPlace& place, const FunctionText& function,
                      std::string_view thread, const ProcessText& process) {
    function_entry(place, function, function.reference, thread, process);
  }
  void function_exit(const EventPlace& place, int64_t duration_ns, const FunctionText& function,
                     std::string_view thread, const ExitNote* note, const ProcessText& process) {
    function_exit(place, duration_ns, function, function.reference, thread, note, process);
  }
  // The same for who encodes while another thread may note references: it is a copy.
  void function_entry(const EventPlace& place, const FunctionText& function, uint64_t reference,
                      std::string_view thread, const ProcessText& process);
  void function_exit(const EventPlace& place, int64_t duration_ns, const FunctionText& function,
                     uint64_t reference, std::string_view thread, const ExitNote* note,
                     const ProcessText& process);
  void exception_exit(const EventPlace& place, const ExceptionNote& note, std::string_view thread,
                      const ProcessText& process);
  void span_event(const EventPlace& place, const SpanEvent& event, std::string_view thread,
                  const ProcessText& process);
  // Calls that were not recorded: severity WARN. `thread` may be empty.
  void loss(const EventPlace& place, std::string_view reason, uint64_t calls,
            std::string_view thread, const ProcessText& process);

  // Lean only, before the first event that refers to them. `full` is the text of full detail.
  void telemetry_process(const EventPlace& place, const ProcessText& full);
  void telemetry_function(const EventPlace& place, const FunctionText& function,
                          const ProcessText& process);

 private:
  char* begin(char* out, const EventPlace& place, std::string_view type_and_severity);
  char* ids(char* out, const EventPlace& place, const ProcessText& process);
  void prepare_second(int64_t second);
  void prepare_trace(TraceId trace);

  LineBuffer* out_;
  const bool lean_;
  // Prepared text: events come in the order of time, thousands in a second and in a trace.
  int64_t second_ = -1;
  std::string second_text_;  // {"schema":...,"timestamp":"2026-11-21T12:34:56. (lean: no schema)
  std::string epoch_text_;   // Z","timestamp_ns":1795264496
  TraceId trace_ = {};
  std::string trace_text_;  // ,"trace_id":"...","span_id":"
};

}  // namespace telinject
