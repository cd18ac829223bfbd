// Telemetry v3 events as lines of JSON. The schema is ../telemetry-v3.schema.json; it names each
// field's source.
//
// Text that is constant for a process, a call site, a thread, a trace or a second is prepared once;
// the event of a call is made of a few copies and numbers. Other events are rarer and written
// member by member.
//
// With lean detail, the texts of processes and call sites are written once, as events of their own
// (telemetry_process, telemetry_function); other events refer to them by span id.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/events/event.h"
#include "shim/events/json/function_json.h"
#include "shim/events/json/json_text.h"
#include "shim/events/json/line_buffer.h"
#include "shim/events/json/process_json.h"

namespace telinject {

class EventEncoder {
 public:
  explicit EventEncoder(LineBuffer* out, bool lean = false) : out_(out), lean_(lean) {}

  // `thread` are the thread's attributes, JSON members without a comma at the end. `reference`:
  // lean, the span id of the function's telemetry_function event.
  void function_entry(const EventPlace& place, const FunctionJson& function, uint64_t reference,
                      std::string_view thread, const ProcessJson& process);
  // `note` and `error` may be null.
  void function_exit(const EventPlace& place, int64_t duration_ns, const FunctionJson& function,
                     uint64_t reference, std::string_view thread, const ExitNote* note,
                     const ErrorInfo* error, const ProcessJson& process);
  // The event of an operation; its process and thread are given as prepared text.
  void start(const SpanStart& event, std::string_view thread, const ProcessJson& process);
  void end(const SpanEnd& event, std::string_view thread, const ProcessJson& process);
  // `thread` may be empty.
  void note(const PointEvent& event, std::string_view thread, const ProcessJson& process);

  // Lean only, before the first event that refers to them. `full` is the text of full detail.
  void telemetry_process(const EventPlace& place, const ProcessJson& full);
  void telemetry_function(const EventPlace& place, const FunctionInfo& function,
                          const ProcessJson& process);

 private:
  char* begin(char* out, const EventPlace& place, std::string_view type_and_severity);
  char* ids(char* out, const EventPlace& place, const ProcessJson& process);
  void end_line(const char* end);
  void prepare_second(int64_t second);
  void prepare_trace(TraceId trace);
  void begin_rare(std::string_view type, Severity severity, const FunctionInfo* function);
  void add_message(std::string_view message, std::string_view name, std::string_view category,
                   std::string_view type);
  void add_attributes(Attributes attributes, std::string_view thread);
  void add_error(const ErrorInfo& error);
  void add_request(const HttpRequestInfo& request);
  void add_response(const HttpResponseInfo& response);
  void write_rare(const EventPlace& place, int64_t duration_ns, std::string_view correlation_prefix,
                  const ProcessJson& process);

  LineBuffer* out_;
  const bool lean_;
  // Prepared text: events come in the order of time, thousands in a second and in a trace.
  int64_t second_ = -1;
  ShortText<112> second_text_;  // {"schema":...,"timestamp":"2026-11-21T12:34:56. (lean: no schema)
  ShortText<48> epoch_text_;    // Z","timestamp_ns":1795264496
  TraceId trace_ = {};
  ShortText<64> trace_text_;  // ,"trace_id":"...","span_id":"
  // The parts of a rarer event before and after its ids.
  JsonText head_, body_;
};

}  // namespace telinject
