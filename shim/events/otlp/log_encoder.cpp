#include "shim/events/otlp/log_encoder.h"

#include <chrono>
#include <protozero/pbf_writer.hpp>

#include "absl/strings/str_cat.h"
#include "shim/events/milliseconds.h"
#include "shim/events/otlp/encoded_ids.h"
#include "shim/events/otlp/span_encoder.h"
#include "shim/events/registry/registry.h"

namespace telinject::otlp {

namespace {

using protozero::pbf_writer;
using registry::otel_name;

struct Level {
  int number;
  std::string_view text;
};
Level level_of(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return {9, "INFO"};
    case Severity::kWarn:
      return {13, "WARN"};
    case Severity::kError:
      return {17, "ERROR"};
  }
  return {0, ""};
}

struct Record {
  const EventPlace& place;
  Severity severity;
  std::string_view message, name;
  AttributeSet* attributes;
};

void append(std::string* item, const Record& record) {
  Level level = level_of(record.severity);
  auto now = std::chrono::system_clock::now().time_since_epoch();
  record.attributes->count(otel_name("sequence"), record.place.sequence);
  if (record.place.parent_span_id != 0) {
    absl::Hex digits(record.place.parent_span_id, absl::kZeroPad16);
    record.attributes->text(otel_name("parent_span_id"), absl::StrCat(digits));
  }
  std::string fields;
  pbf_writer writer(fields);
  writer.add_fixed64(field::log::kTime, static_cast<uint64_t>(record.place.timestamp_ns));
  writer.add_fixed64(field::log::kObservedTime,
                     static_cast<uint64_t>(std::chrono::nanoseconds(now).count()));
  writer.add_enum(field::log::kSeverity, level.number);
  writer.add_string(field::log::kSeverityText, level.text.data(), level.text.size());
  writer.add_message(field::log::kBody, text_value(record.message));
  uint32_t left_out = record.attributes->append_to(&fields, field::log::kAttributes);
  if (left_out != 0) writer.add_uint32(field::log::kDroppedAttributes, left_out);
  writer.add_fixed32(field::log::kFlags, kSampledFlag);
  add_id(&writer, field::log::kTraceId, record.place.trace);
  add_id(&writer, field::log::kSpanId, record.place.span_id);
  writer.add_string(field::log::kEventName, record.name.data(), record.name.size());
  pbf_writer(*item).add_message(field::request::kItems, fields);
}

std::string own_name(std::string_view event_type) {
  return std::string("telinject.").append(event_type);
}

}  // namespace

void append_log(std::string* item, const SpanStart& event) {
  AttributeSet attributes;
  std::string message, type = "function_entry";
  if (event.operation != nullptr) {
    add_operation_attributes(*event.operation, event.function, &attributes);
    message = event.operation->message;
    type = event.operation->names.start;
  } else {
    add_function_attributes(*event.function, /*lean=*/false, &attributes);
    message = "Function '" + event.function->name + "' entry";
  }
  add_thread_attributes(*event.thread, &attributes);
  append(item, {event.place, Severity::kInfo, message, own_name(type), &attributes});
}

void append_log(std::string* item, const SpanEnd& event) {
  AttributeSet attributes;
  std::string message, type = "function_exit";
  if (event.operation != nullptr) {
    add_operation_attributes(*event.operation, event.function, &attributes);
    message = event.operation->message;
    type = event.operation->names.end;
  } else {
    add_function_attributes(*event.function, /*lean=*/false, &attributes);
    message = absl::StrCat("Function '", event.function->name, "' exit (",
                           hundredths_of_ms(event.duration_ns), "ms)");
  }
  if (event.note != nullptr) add_note_attributes(*event.note, &attributes);
  if (event.error != nullptr) {
    attributes.text(otel_name("exception.message"), event.error->message);
    add_error_attributes(*event.error, &attributes);
  }
  attributes.number(otel_name("duration_ns"), event.duration_ns);
  add_thread_attributes(*event.thread, &attributes);
  append(item, {event.place, event.severity, message, own_name(type), &attributes});
}

void append_log(std::string* item, const PointEvent& event, std::string_view name) {
  AttributeSet attributes = exception_note(event).attributes;
  if (event.function != nullptr) attributes.text(otel_name("function_name"), event.function->name);
  if (event.thread != nullptr) add_thread_attributes(*event.thread, &attributes);
  Severity severity = event.kind == PointKind::kException ? Severity::kError : Severity::kWarn;
  append(item, {event.place, severity, event.message, name, &attributes});
}

}  // namespace telinject::otlp
