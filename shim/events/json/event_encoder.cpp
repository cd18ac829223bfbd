#include "shim/events/json/event_encoder.h"

#include <time.h>

#include "shim/events/json/json_text.h"

namespace telinject {

namespace {

// Where the attributes begin; in full detail that is the end of the function's own text.
constexpr std::string_view kLeanAttributes = ",\"attributes\":{";
// All that an event adds to its variable texts: member names, numbers, ids.
constexpr size_t kFixedBytes = 1024;
constexpr std::string_view kSchema =
    "\"schema\":{\"format\":\"telemetry.v3\",\"version\":\"3.0.0\"}";
constexpr uint64_t kNsPerMs = 1000000;
constexpr int64_t kNsPerSecond = 1000000000;
constexpr uint64_t kNsPerHundredthMs = 10000;

char* put_correlation_id(char* out, std::string_view prefix, uint64_t span_id) {
  out = put(out, ",\"correlation_id\":\"");
  out = put(out, prefix);
  out = put_hex8(out, static_cast<uint32_t>(span_id >> 32));
  return put(out, "\"");
}

// Milliseconds to the nanosecond: six decimals, without trailing zeros.
char* put_ms(char* out, uint64_t ns) {
  out = put_number(out, ns / kNsPerMs);
  uint64_t rest = ns % kNsPerMs;
  if (rest == 0) return out;
  int digits = 6;
  for (; rest % 10 == 0; rest /= 10) digits--;
  out = put(out, ".");
  return put_padded(out, rest, digits);
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

char* put_error(char* out, std::string_view type, std::string_view message,
                std::string_view stack) {
  out = put(out, ",\"error\":{\"type\":\"");
  out = put(out, type);
  out = put(out, "\",\"message\":\"");
  out = put(out, message);
  if (!stack.empty()) {
    out = put(out, "\",\"stacktrace\":\"");
    out = put(out, stack);
  }
  return put(out, "\"}");
}

}  // namespace

FunctionText make_function_text(std::string_view name, std::string_view attributes) {
  std::string escaped = json_escaped(name);
  FunctionText text;
  auto event = [&](std::string_view type) {
    std::string json;
    json.append("\"event\":{\"name\":\"")
        .append(escaped)
        .append("\",\"category\":\"code\",\"type\":\"")
        .append(type);
    json.append("\"},\"attributes\":{").append(attributes);
    return json;
  };
  text.name.append(",\"function_name\":\"").append(escaped).append("\"");
  std::string message = ",\"message\":\"Function '";
  message.append(escaped);
  text.entry.append(message).append("' entry\",").append(event("start"));
  text.exit_before.append(message).append("' exit (");
  text.exit_after.append("ms)\",").append(event("end"));
  text.attributes = attributes;
  return text;
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
  trace_text_.append(",\"trace_id\":\"").append(digits, sizeof digits).append("\",\"span_id\":\"");
  trace_ = trace;
}

char* EventEncoder::begin(char* out, const EventPlace& place, std::string_view type_and_severity) {
  int64_t second = place.timestamp_ns / kNsPerSecond;
  if (second != second_) prepare_second(second);
  auto rest = static_cast<uint64_t>(place.timestamp_ns % kNsPerSecond);
  out = put(out, second_text_);
  out = put_padded(out, rest / kNsPerMs, 3);
  out = put(out, epoch_text_);
  out = second == 0 ? put_number(out, rest) : put_padded(out, rest, 9);
  out = put(out, ",\"sequence\":");
  out = put_number(out, place.sequence);
  return put(out, type_and_severity);
}

char* EventEncoder::ids(char* out, const EventPlace& place, const ProcessText& process) {
  if (place.trace.hi != trace_.hi || place.trace.lo != trace_.lo || trace_text_.empty()) {
    prepare_trace(place.trace);
  }
  out = put(out, trace_text_);
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

void EventEncoder::function_entry(const EventPlace& place, const FunctionText& function,
                                  uint64_t reference, std::string_view thread,
                                  const ProcessText& process) {
  char* out = out_->begin_line(kFixedBytes + function.name.size() + function.entry.size() +
                               thread.size() + process.sampling.size() + process.tail.size());
  out = begin(out, place, ",\"event_type\":\"function_entry\",\"severity\":\"INFO\"");
  out = put(out, function.name);
  out = ids(out, place, process);
  out = put(out, lean_ ? kLeanAttributes : function.entry);
  out = put(out, thread);
  out = put(out, "}");
  out = lean_ ? put_function_reference(out, reference)
              : put_correlation_id(out, "func_", place.span_id);
  out_->end_line(put(out, process.tail));
}

void EventEncoder::function_exit(const EventPlace& place, int64_t duration_ns,
                                 const FunctionText& function, uint64_t reference,
                                 std::string_view thread, const ExitNote* note,
                                 const ProcessText& process) {
  bool error = note != nullptr && !note->error_type.empty();
  size_t note_bytes = 0;
  if (note != nullptr) {
    note_bytes = note->exit_kind.size() + note->error_type.size() + note->error_message.size() +
                 note->error_stack.size();
  }
  char* out = out_->begin_line(kFixedBytes + function.name.size() + function.exit_before.size() +
                               function.exit_after.size() + thread.size() +
                               process.sampling.size() + process.tail.size() + note_bytes);
  out = begin(out, place,
              error ? ",\"event_type\":\"function_exit\",\"severity\":\"ERROR\""
                    : ",\"event_type\":\"function_exit\",\"severity\":\"INFO\"");
  out = put(out, function.name);
  out = ids(out, place, process);
  auto duration = static_cast<uint64_t>(duration_ns);
  out = put(out, ",\"duration_ns\":");
  out = put_number(out, duration);
  out = put(out, ",\"duration_ms\":");
  out = put_ms(out, duration);
  if (lean_) {
    out = put(out, kLeanAttributes);
  } else {
    out = put(out, function.exit_before);
    uint64_t hundredths = (duration + kNsPerHundredthMs / 2) / kNsPerHundredthMs;
    out = put_number(out, hundredths / 100);
    out = put(out, ".");
    out = put_padded(out, hundredths % 100, 2);
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
    out = put_count(out, "\"telinject.http_wait_ns\":", static_cast<uint64_t>(note->http_ns));
  }
  out = put(out, thread);
  out = put(out, "}");
  if (error) out = put_error(out, note->error_type, note->error_message, note->error_stack);
  out = lean_ ? put_function_reference(out, reference)
              : put_correlation_id(out, "func_", place.span_id);
  out_->end_line(put(out, process.tail));
}

void EventEncoder::exception_exit(const EventPlace& place, const ExceptionNote& note,
                                  std::string_view thread, const ProcessText& process) {
  char* out = out_->begin_line(kFixedBytes + 2 * note.function.size() + note.message.size() +
                               note.attributes.size() + note.error_type.size() +
                               note.error_message.size() + note.error_stack.size() + thread.size() +
                               process.sampling.size() + process.tail.size());
  out = begin(out, place, ",\"event_type\":\"exception_exit\",\"severity\":\"ERROR\"");
  out = put(out, ",\"function_name\":\"");
  out = put(out, note.function);
  out = put(out, "\"");
  out = ids(out, place, process);
  out = put(out, ",\"message\":\"");
  out = put(out, note.message);
  out = put(out, "\",\"event\":{\"name\":\"");
  out = put(out, note.function);
  out = put(out, "\",\"category\":\"error\",\"type\":\"end\"},\"attributes\":{");
  out = put(out, note.attributes);
  out = put(out, thread);
  out = put(out, "}");
  out = put_error(out, note.error_type, note.error_message, note.error_stack);
  out = put_correlation_id(out, "exc_", place.span_id);
  out_->end_line(put(out, process.tail));
}

void EventEncoder::span_event(const EventPlace& place, const SpanEvent& event,
                              std::string_view thread, const ProcessText& process) {
  char* out = out_->begin_line(
      kFixedBytes + event.type_and_severity.size() + event.function.size() +
      event.message_and_event.size() + event.attributes.size() + event.more_attributes.size() +
      thread.size() + event.more.size() + process.sampling.size() + process.tail.size());
  out = begin(out, place, event.type_and_severity);
  out = put(out, event.function);
  out = ids(out, place, process);
  if (event.duration_ns >= 0) {
    out = put(out, ",\"duration_ns\":");
    out = put_number(out, static_cast<uint64_t>(event.duration_ns));
    out = put(out, ",\"duration_ms\":");
    out = put_ms(out, static_cast<uint64_t>(event.duration_ns));
  }
  out = put(out, event.message_and_event);
  out = put(out, kLeanAttributes);
  out = put(out, event.attributes);
  out = put(out, event.more_attributes);
  out = put(out, thread);
  out = put(out, "}");
  out = put(out, event.more);
  out = put_correlation_id(out, event.correlation_prefix, place.span_id);
  out_->end_line(put(out, process.tail));
}

void EventEncoder::loss(const EventPlace& place, std::string_view reason, uint64_t calls,
                        std::string_view thread, const ProcessText& process) {
  char* out = out_->begin_line(kFixedBytes + 2 * reason.size() + thread.size() +
                               process.sampling.size() + process.tail.size());
  out = begin(out, place, ",\"event_type\":\"telemetry_loss\",\"severity\":\"WARN\"");
  out = ids(out, place, process);
  out = put(out, ",\"message\":\"");
  out = put_number(out, calls);
  out = put(out, calls == 1 ? " call was not recorded (" : " calls were not recorded (");
  out = put(out, reason);
  out = put(out,
            ")\",\"event\":{\"name\":\"telemetry_loss\",\"category\":\"code\",\"type\":\"info\"},"
            "\"attributes\":{\"telinject.loss_reason\":\"");
  out = put(out, reason);
  out = put(out, "\",\"telinject.lost_calls\":");
  out = put_number(out, calls);
  if (!thread.empty()) {
    out = put(out, ",");
    out = put(out, thread);
  }
  out = put(out, "}");
  out = put_correlation_id(out, "loss_", place.span_id);
  out_->end_line(put(out, process.tail));
}

void EventEncoder::telemetry_process(const EventPlace& place, const ProcessText& full) {
  char* out = out_->begin_line(kFixedBytes + full.sampling.size() + full.tail.size());
  out = begin(out, place, ",\"event_type\":\"telemetry_process\",\"severity\":\"INFO\",");
  out = put(out, kSchema);
  out = ids(out, place, full);
  out = put(out,
            ",\"message\":\"What the events of a process share\",\"event\":{\"name\":"
            "\"telemetry_process\",\"category\":\"code\",\"type\":\"info\"},\"attributes\":{}");
  out = put_correlation_id(out, "ref_", place.span_id);
  out_->end_line(put(out, full.tail));
}

void EventEncoder::telemetry_function(const EventPlace& place, const FunctionText& function,
                                      const ProcessText& process) {
  std::string_view attributes = function.attributes;
  if (!attributes.empty()) attributes.remove_suffix(1);
  char* out = out_->begin_line(kFixedBytes + function.name.size() + attributes.size() +
                               process.sampling.size() + process.tail.size());
  out = begin(out, place, ",\"event_type\":\"telemetry_function\",\"severity\":\"INFO\"");
  out = put(out, function.name);
  out = ids(out, place, process);
  out = put(out,
            ",\"message\":\"What the calls of a function from one place share\",\"event\":{"
            "\"name\":\"telemetry_function\",\"category\":\"code\",\"type\":\"info\"},"
            "\"attributes\":{");
  out = put(out, attributes);
  out = put(out, "}");
  out = put_correlation_id(out, "ref_", place.span_id);
  out_->end_line(put(out, process.tail));
}

}  // namespace telinject
