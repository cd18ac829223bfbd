#include "shim/events/event_encoder.h"

#include <time.h>

#include <cstdio>

namespace telinject {

namespace {

// All that an event adds to its variable texts: member names, numbers, ids.
constexpr size_t kFixedBytes = 1024;
constexpr int64_t kNsPerMs = 1000000;
constexpr int64_t kNsPerSecond = 1000000000;

}  // namespace

void EventEncoder::timestamp(int64_t ns) {
  int64_t second = ns / kNsPerSecond;
  if (second != second_) {
    time_t time = second;
    tm parts = {};
    gmtime_r(&time, &parts);
    strftime(second_text_, sizeof second_text_, "%Y-%m-%dT%H:%M:%S", &parts);
    second_ = second;
  }
  out_->put({second_text_, 19});
  out_->put('.');
  out_->padded(static_cast<uint64_t>(ns % kNsPerSecond / kNsPerMs), 3);
  out_->put("Z\",\"timestamp_ns\":");
  out_->number(static_cast<uint64_t>(ns));
}

void EventEncoder::begin(const EventPlace& place, std::string_view type_and_severity,
                         std::string_view name) {
  out_->put("{\"schema\":{\"format\":\"telemetry.v3\",\"version\":\"3.0.0\"},\"timestamp\":\"");
  timestamp(place.timestamp_ns);
  out_->put(",\"sequence\":");
  out_->number(place.sequence);
  out_->put(type_and_severity);
  if (!name.empty()) {
    out_->put(",\"function_name\":\"");
    out_->put(name);
    out_->put('"');
  }
}

void EventEncoder::ids(const EventPlace& place, const ProcessText& process) {
  out_->put(",\"trace_id\":\"");
  out_->hex16(place.trace.hi);
  out_->hex16(place.trace.lo);
  out_->put("\",\"span_id\":\"");
  out_->hex16(place.span_id);
  if (place.parent_span_id != 0) {
    out_->put("\",\"parent_span_id\":\"");
    out_->hex16(place.parent_span_id);
    out_->put('"');
  } else {
    out_->put("\",\"parent_span_id\":null");
  }
  out_->put(process.sampling);
}

void EventEncoder::end(const EventPlace& place, std::string_view prefix,
                       const ProcessText& process) {
  out_->put(",\"correlation_id\":\"");
  out_->put(prefix);
  out_->hex8(static_cast<uint32_t>(place.span_id >> 32));
  out_->put('"');
  out_->put(process.tail);
}

void EventEncoder::function_entry(const EventPlace& place, std::string_view name,
                                  std::string_view attributes, std::string_view thread_attributes,
                                  const ProcessText& process) {
  out_->reserve(kFixedBytes + 3 * name.size() + attributes.size() + thread_attributes.size() +
                process.sampling.size() + process.tail.size());
  begin(place, ",\"event_type\":\"function_entry\",\"severity\":\"INFO\"", name);
  ids(place, process);
  out_->put(",\"message\":\"Function '");
  out_->put(name);
  out_->put("' entry\",\"event\":{\"name\":\"");
  out_->put(name);
  out_->put("\",\"category\":\"code\",\"type\":\"start\"},\"attributes\":{");
  out_->put(attributes);
  out_->put(thread_attributes);
  out_->put('}');
  end(place, "func_", process);
}

void EventEncoder::function_exit(const EventPlace& place, int64_t duration_ns,
                                 std::string_view name, std::string_view attributes,
                                 std::string_view thread_attributes, const ExitNote* note,
                                 const ProcessText& process) {
  bool error = note != nullptr && !note->error_type.empty();
  out_->reserve(kFixedBytes + 3 * name.size() + attributes.size() + thread_attributes.size() +
                process.sampling.size() + process.tail.size() +
                (note != nullptr ? 2 * note->error_message.size() : 0));
  begin(place,
        error ? ",\"event_type\":\"function_exit\",\"severity\":\"ERROR\""
              : ",\"event_type\":\"function_exit\",\"severity\":\"INFO\"",
        name);
  ids(place, process);
  auto duration = static_cast<uint64_t>(duration_ns);
  out_->put(",\"duration_ns\":");
  out_->number(duration);
  // Milliseconds to the nanosecond: six decimals, without trailing zeros.
  out_->put(",\"duration_ms\":");
  out_->number(duration / kNsPerMs);
  if (uint64_t rest = duration % kNsPerMs; rest != 0) {
    int digits = 6;
    for (; rest % 10 == 0; rest /= 10) digits--;
    out_->put('.');
    out_->padded(rest, digits);
  }
  uint64_t hundredths = (duration + 5000) / 10000;
  out_->put(",\"message\":\"Function '");
  out_->put(name);
  out_->put("' exit (");
  out_->number(hundredths / 100);
  out_->put('.');
  out_->padded(hundredths % 100, 2);
  out_->put("ms)\",\"event\":{\"name\":\"");
  out_->put(name);
  out_->put("\",\"category\":\"code\",\"type\":\"end\"},\"attributes\":{");
  out_->put(attributes);
  if (note != nullptr && !note->exit_kind.empty()) {
    out_->put("\"telinject.exit\":\"");
    out_->put(note->exit_kind);
    out_->put("\",");
    if (note->upper_bound) out_->put("\"telinject.duration_bound\":\"upper\",");
  }
  out_->put(thread_attributes);
  out_->put('}');
  if (error) {
    out_->put(",\"error\":{\"type\":\"");
    out_->put(note->error_type);
    out_->put("\",\"message\":\"");
    out_->put(note->error_message);
    out_->put("\"}");
  }
  end(place, "func_", process);
}

void EventEncoder::loss(const EventPlace& place, std::string_view reason, uint64_t calls,
                        std::string_view thread_attributes, const ProcessText& process) {
  out_->reserve(kFixedBytes + thread_attributes.size() + process.sampling.size() +
                process.tail.size());
  begin(place, ",\"event_type\":\"telemetry_loss\",\"severity\":\"WARN\"", {});
  ids(place, process);
  out_->put(",\"message\":\"");
  out_->number(calls);
  out_->put(calls == 1 ? " call was not recorded (" : " calls were not recorded (");
  out_->put(reason);
  out_->put(
      ")\",\"event\":{\"name\":\"telemetry_loss\",\"category\":\"code\",\"type\":\"info\"},"
      "\"attributes\":{\"telinject.loss_reason\":\"");
  out_->put(reason);
  out_->put("\",\"telinject.lost_calls\":");
  out_->number(calls);
  if (!thread_attributes.empty()) {
    out_->put(',');
    out_->put(thread_attributes);
  }
  out_->put('}');
  end(place, "loss_", process);
}

}  // namespace telinject
