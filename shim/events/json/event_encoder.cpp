#include "shim/events/json/event_encoder.h"

#include <time.h>

#include "shim/events/json/json_text.h"

#ifdef TELINJECT_CHECK_LINES
#include <nlohmann/json.hpp>
#endif

namespace telinject {

namespace {

// Where the attributes begin; in full detail that is the end of the function's own text.
constexpr std::string_view kAttributes = ",\"attributes\":{";
// All that an event adds to its variable texts: member names, numbers, ids.
constexpr size_t kFixedBytes = 1024;
constexpr std::string_view kSchema =
    "\"schema\":{\"format\":\"telemetry.v3\",\"version\":\"3.0.0\"}";
constexpr uint64_t kNsPerMs = 1000000;
constexpr int64_t kNsPerSecond = 1000000000;
constexpr uint64_t kNsPerHundredthMs = 10000;
constexpr int64_t kNoDuration = -1;

char* put_correlation_id(char* out, std::string_view prefix, uint64_t span_id) {
  out = put(out, ",\"correlation_id\":\"");
  out = put(out, prefix);
  out = put_hex8(out, static_cast<uint32_t>(span_id >> 32));
  return put(out, "\"");
}

char* put_function_correlation(char* out, uint64_t span_id) {
  out = put(out, ",\"correlation_id\":\"func_");
  out = put_hex8(out, static_cast<uint32_t>(span_id >> 32));
  return put(out, "\"");
}

// Milliseconds to the nanosecond: six decimals, without trailing zeros.
char* put_ms(char* out, uint64_t ns) {
  out = put_number(out, ns / kNsPerMs);
  uint64_t rest = ns % kNsPerMs;
  if (rest == 0) return out;
  out = put(out, ".");
  return put_millionths(out, rest);
}

char* put_duration(char* out, uint64_t ns) {
  out = put(out, ",\"duration_ns\":");
  out = put_number(out, ns);
  out = put(out, ",\"duration_ms\":");
  return put_ms(out, ns);
}

char* put_function_reference(char* out, uint64_t reference) {
  out = put(out, ",\"function_ref\":\"");
  out = put_hex16(out, reference);
  return put(out, "\"");
}

// Nothing if there are none.
char* put_count(char* out, std::string_view name, uint64_t count) {
  if (count == 0) return out;
  out = put(out, name);
  out = put_number(out, count);
  return put(out, ",");
}

}  // namespace

// Lines are put together from prepared text, so builds for tests look at each: none may be anything
// but JSON.
void EventEncoder::end_line(const char* end) {
  out_->end_line(end);
#ifdef TELINJECT_CHECK_LINES
  std::string_view line = out_->text();
  line.remove_suffix(1);
  size_t before = line.rfind('\n');
  if (before != line.npos) line.remove_prefix(before + 1);
  if (!nlohmann::json::accept(line)) __builtin_trap();
#endif
}

void EventEncoder::prepare_second(int64_t second) {
  time_t time = second;
  tm parts = {};
  gmtime_r(&time, &parts);
  char text[24];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts);
  second_text_.clear();
  second_text_.append("{");
  if (!lean_) second_text_.append(kSchema).append(",");
  second_text_.append("\"timestamp\":\"").append(text);
  epoch_text_.clear();
  epoch_text_.append("Z\",\"timestamp_ns\":");
  if (second != 0) epoch_text_.append(std::to_string(second));
  second_ = second;
}

void EventEncoder::prepare_trace(TraceId trace) {
  char digits[32];
  put_hex16(put_hex16(digits, trace.hi), trace.lo);
  trace_text_.clear();
  trace_text_.append(",\"trace_id\":\"")
      .append({digits, sizeof digits})
      .append("\",\"span_id\":\"");
  trace_ = trace;
}

char* EventEncoder::begin(char* out, const EventPlace& place, std::string_view type_and_severity) {
  int64_t second = place.timestamp_ns / kNsPerSecond;
  if (second != second_) prepare_second(second);
  auto rest = static_cast<uint64_t>(place.timestamp_ns % kNsPerSecond);
  NineDigits digits(rest);
  out = second_text_.put(out);
  out = digits.put_three(out);
  out = epoch_text_.put(out);
  out = second == 0 ? put_number(out, rest) : digits.put(out);
  out = put(out, ",\"sequence\":");
  out = put_number(out, place.sequence);
  return put(out, type_and_severity);
}

char* EventEncoder::ids(char* out, const EventPlace& place, const ProcessJson& process) {
  if (place.trace.hi != trace_.hi || place.trace.lo != trace_.lo || trace_text_.empty()) {
    prepare_trace(place.trace);
  }
  out = trace_text_.put(out);
  out = put_hex16(out, place.span_id);
  if (place.parent_span_id != 0) {
    out = put(out, "\",\"parent_span_id\":\"");
    out = put_hex16(out, place.parent_span_id);
    out = put(out, "\"");
  } else {
    out = put(out, "\",\"parent_span_id\":null");
  }
  return put(out, process.sampling);
}

void EventEncoder::function_entry(const EventPlace& place, const FunctionJson& function,
                                  uint64_t reference, std::string_view thread,
                                  const ProcessJson& process) {
  char* out = out_->begin_line(kFixedBytes + function.entry_head.size() + function.entry.size() +
                               thread.size() + process.sampling.size() + process.tail.size());
  out = begin(out, place, function.entry_head);
  out = ids(out, place, process);
  out = put(out, lean_ ? kAttributes : function.entry);
  out = put(out, thread);
  out = put(out, "}");
  out =
      lean_ ? put_function_reference(out, reference) : put_function_correlation(out, place.span_id);
  end_line(put(out, process.tail));
}

void EventEncoder::function_exit(const EventPlace& place, int64_t duration_ns,
                                 const FunctionJson& function, uint64_t reference,
                                 std::string_view thread, const ExitNote* note,
                                 const ErrorInfo* error, const ProcessJson& process) {
  size_t note_bytes = note == nullptr ? 0 : note->exit_kind.size();
  if (error != nullptr) {
    body_.clear();
    add_error(*error);
    note_bytes += body_.view().size();
  }
  char* out =
      out_->begin_line(kFixedBytes + function.exit_head.size() + function.exit_before.size() +
                       function.exit_after.size() + thread.size() + process.sampling.size() +
                       process.tail.size() + note_bytes);
  if (error == nullptr) {
    out = begin(out, place, function.exit_head);
  } else {
    out = begin(out, place, ",\"event_type\":\"function_exit\",\"severity\":\"ERROR\"");
    out = put(out, function.name);
  }
  out = ids(out, place, process);
  auto duration = static_cast<uint64_t>(duration_ns);
  out = put_duration(out, duration);
  if (lean_) {
    out = put(out, kAttributes);
  } else {
    out = put(out, function.exit_before);
    uint64_t hundredths = (duration + kNsPerHundredthMs / 2) / kNsPerHundredthMs;
    out = put_number(out, hundredths / 100);
    out = put(out, ".");
    out = put_padded<2>(out, hundredths);
    out = put(out, function.exit_after);
  }
  if (note != nullptr && !note->exit_kind.empty()) {
    out = put(out, "\"telinject.exit\":\"");
    out = put(out, note->exit_kind);
    out = put(out, "\",");
    if (note->upper_bound) out = put(out, "\"telinject.duration_bound\":\"upper\",");
  }
  if (note != nullptr) {
    out = put_count(out, "\"telinject.waited_ns\":", static_cast<uint64_t>(note->waited_ns));
    out = put_count(out, "\"telinject.preempted_ns\":", static_cast<uint64_t>(note->preempted_ns));
    out = put_count(out, "\"telinject.lost_calls\":", note->lost_calls);
    out = put_count(out,
                    "\"telinject.not_running_ns\":", static_cast<uint64_t>(note->not_running_ns));
    out = put_count(out, "\"telinject.http_wait_ns\":", static_cast<uint64_t>(note->http_wait_ns));
  }
  out = put(out, thread);
  out = put(out, "}");
  if (error != nullptr) out = put(out, body_.view());
  out =
      lean_ ? put_function_reference(out, reference) : put_function_correlation(out, place.span_id);
  end_line(put(out, process.tail));
}

namespace {

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarn:
      return "WARN";
    case Severity::kError:
      return "ERROR";
  }
  return "";
}

}  // namespace

void EventEncoder::begin_rare(std::string_view type, Severity severity,
                              const FunctionInfo* function) {
  head_.clear();
  head_.raw(",\"event_type\":\"").raw(type).raw("\",\"severity\":\"");
  head_.raw(severity_name(severity)).raw("\"");
  if (function != nullptr) {
    head_.raw(",\"function_name\":\"").escaped(function->name).raw("\"");
  }
  body_.clear();
}

void EventEncoder::add_message(std::string_view message, std::string_view name,
                               std::string_view category, std::string_view type) {
  body_.raw(",\"message\":\"").escaped(message);
  body_.raw("\",\"event\":{\"name\":\"").escaped(name);
  body_.raw("\",\"category\":\"").raw(category);
  body_.raw("\",\"type\":\"").raw(type).raw("\"}");
}

void EventEncoder::add_attributes(Attributes attributes, std::string_view thread) {
  body_.raw(kAttributes);
  for (const Attribute& attribute : attributes) body_.member(attribute);
  if (thread.empty()) body_.end_members();
  body_.raw(thread).raw("}");
}

void EventEncoder::add_error(const ErrorInfo& error) {
  body_.raw(",\"error\":{");
  body_.member("type", error.type);
  body_.member("message", error.message);
  if (!error.stack.empty()) body_.member("stacktrace", error.stack);
  body_.end_members();
  body_.raw("}");
}

void EventEncoder::add_request(const HttpRequestInfo& request) {
  body_.raw(",\"http\":{\"request\":{");
  body_.member("method", request.method);
  body_.member("url", request.url);
  body_.object("headers", *request.headers);
  body_.member("body_bytes", request.body_bytes);
  body_.member("user_agent", request.user_agent);
  body_.end_members();
  body_.raw("}}");
}

void EventEncoder::add_response(const HttpResponseInfo& response) {
  body_.raw(",\"http\":{\"response\":{");
  if (response.status != 0) {
    body_.member("status_code", static_cast<uint64_t>(response.status));
  }
  body_.object("headers", *response.headers);
  body_.member("body_bytes", response.body_bytes);
  body_.member("content_type", response.content_type);
  body_.end_members();
  body_.raw("}}");
}

void EventEncoder::write_rare(const EventPlace& place, int64_t duration_ns,
                              std::string_view correlation_prefix, const ProcessJson& process) {
  char* out = out_->begin_line(kFixedBytes + head_.view().size() + body_.view().size() +
                               process.sampling.size() + process.tail.size());
  out = begin(out, place, head_.view());
  out = ids(out, place, process);
  if (duration_ns != kNoDuration) out = put_duration(out, static_cast<uint64_t>(duration_ns));
  out = put(out, body_.view());
  out = put_correlation_id(out, correlation_prefix, place.span_id);
  end_line(put(out, process.tail));
}

void EventEncoder::start(const SpanStart& event, std::string_view thread,
                         const ProcessJson& process) {
  const Operation& operation = *event.operation;
  const OperationNames& names = operation.names;
  begin_rare(names.start, Severity::kInfo, event.function);
  add_message(operation.message, operation.name, names.category, "start");
  add_attributes(operation.attributes, thread);
  if (operation.request != nullptr) add_request(*operation.request);
  write_rare(event.place, kNoDuration, names.correlation_prefix, process);
}

void EventEncoder::end(const SpanEnd& event, std::string_view thread, const ProcessJson& process) {
  const Operation& operation = *event.operation;
  const OperationNames& names = operation.names;
  begin_rare(names.end, event.severity, event.function);
  add_message(operation.message, operation.name, names.category, "end");
  add_attributes(operation.attributes, thread);
  if (operation.response != nullptr) add_response(*operation.response);
  if (event.error != nullptr) add_error(*event.error);
  write_rare(event.place, event.duration_ns, names.correlation_prefix, process);
}

void EventEncoder::note(const PointEvent& event, std::string_view thread,
                        const ProcessJson& process) {
  bool exception = event.kind == PointKind::kException;
  begin_rare(exception ? "exception_exit" : "telemetry_loss",
             exception ? Severity::kError : Severity::kWarn, event.function);
  if (exception) {
    add_message(event.message, event.function->name, "error", "end");
  } else {
    add_message(event.message, "telemetry_loss", "code", "info");
  }
  add_attributes(event.attributes, thread);
  if (event.error != nullptr) add_error(*event.error);
  write_rare(event.place, kNoDuration, exception ? "exc_" : "loss_", process);
}

void EventEncoder::telemetry_process(const EventPlace& place, const ProcessJson& full) {
  char* out = out_->begin_line(kFixedBytes + full.sampling.size() + full.tail.size());
  out = begin(out, place, ",\"event_type\":\"telemetry_process\",\"severity\":\"INFO\",");
  out = put(out, kSchema);
  out = ids(out, place, full);
  out = put(out,
            ",\"message\":\"What the events of a process share\",\"event\":{\"name\":"
            "\"telemetry_process\",\"category\":\"code\",\"type\":\"info\"},\"attributes\":{}");
  out = put_correlation_id(out, "ref_", place.span_id);
  end_line(put(out, full.tail));
}

void EventEncoder::telemetry_function(const EventPlace& place, const FunctionInfo& function,
                                      const ProcessJson& process) {
  begin_rare("telemetry_function", Severity::kInfo, &function);
  add_message("What the calls of a function from one place share", "telemetry_function", "code",
              "info");
  body_.raw(",\"attributes\":{").raw(function_attributes(function));
  body_.end_members();
  body_.raw("}");
  write_rare(place, kNoDuration, "ref_", process);
}

}  // namespace telinject
