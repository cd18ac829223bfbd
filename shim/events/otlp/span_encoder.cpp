#include "shim/events/otlp/span_encoder.h"

#include <algorithm>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

#include "absl/strings/str_cat.h"
#include "shim/channel/settings.h"
#include "shim/events/otlp/encoded_ids.h"
#include "shim/events/registry/registry.h"
#include "shim/events/utf8.h"

namespace telinject::otlp {

namespace {

using protozero::pbf_writer;
using registry::otel_name;
namespace span = field::span;

constexpr size_t kSpanIdBytes = 8;

uint64_t end_of(const SpanEnd& end) {
  // A span without any time looks to some receivers as if it ended before it started.
  int64_t duration = std::max<int64_t>(end.duration_ns, 1);
  return static_cast<uint64_t>(end.start_ns) + static_cast<uint64_t>(duration);
}

void add_ids_and_times(pbf_writer* fields, const SpanEnd& end, uint32_t flags) {
  add_id(fields, span::kSpanId, end.place.span_id);
  fields->add_fixed64(span::kStart, static_cast<uint64_t>(end.start_ns));
  fields->add_fixed64(span::kEnd, end_of(end));
  fields->add_fixed32(span::kFlags, kSampledFlag | kHasIsRemote | flags);
}

void add_text(pbf_writer* fields, field::Tag tag, std::string_view text) {
  std::string valid;
  append_utf8(&valid, text, kMostTextBytes);
  fields->add_string(tag, valid);
}

void add_status(pbf_writer* fields, const ErrorInfo& error) {
  pbf_writer status(*fields, span::kStatus);
  if (!error.message.empty()) add_text(&status, span::kStatusMessage, error.message);
  status.add_enum(span::kStatusCode, kStatusError);
}

void add_exceptions(std::string* fields, const Exceptions* exceptions) {
  if (exceptions == nullptr) return;
  pbf_writer writer(*fields);
  for (const ExceptionNote& exception : exceptions->kept) {
    std::string encoded;
    pbf_writer event(encoded);
    event.add_fixed64(span::kEventTime, static_cast<uint64_t>(exception.timestamp_ns));
    event.add_string(span::kEventName, "exception");
    uint32_t left_out = exception.attributes.append_to(&encoded, span::kEventAttributes);
    if (left_out != 0) event.add_uint32(span::kEventDropped, left_out);
    writer.add_message(span::kEvents, encoded);
  }
  if (exceptions->left_out != 0) writer.add_uint32(span::kDroppedEvents, exceptions->left_out);
}

void append_attributes(std::string* fields, const AttributeSet& attributes) {
  uint32_t left_out = attributes.append_to(fields, span::kAttributes);
  if (left_out != 0) pbf_writer(*fields).add_uint32(span::kDroppedAttributes, left_out);
}

}  // namespace

void add_function_attributes(const FunctionInfo& f, bool lean, AttributeSet* to) {
  auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) to->text(name, value);
  };
  to->text(otel_name("function_name"), f.name);
  if (!f.file.empty()) {
    to->text(otel_name("function_file"), f.file);
    to->count(otel_name("function_line"), f.line);
  }
  if (lean) return;
  if (f.parameters.has_value()) to->text(otel_name("function.parameters"), *f.parameters);
  add(otel_name("caller_function"), f.caller);
  if (!f.caller_file.empty()) {
    to->text(otel_name("caller_file"), f.caller_file);
    to->count(otel_name("caller_line"), f.caller_line);
  }
  add(otel_name("module"), f.module);
  add(otel_name("mangled_name"), f.linkage_name);
}

void add_error_attributes(const ErrorInfo& error, AttributeSet* to) {
  to->text(otel_name("error.type"), error.type);
  if (!error.stack.empty()) to->text(otel_name("error.stacktrace"), error.stack);
}

void add_thread_attributes(const ThreadInfo& thread, AttributeSet* to) {
  to->number(otel_name("thread_id"), thread.tid);
  if (!thread.name.empty()) to->text(otel_name("thread_name"), thread.name);
}

void add_note_attributes(const ExitNote& note, AttributeSet* to) {
  if (!note.exit_kind.empty()) {
    to->text(otel_name("telinject.exit"), note.exit_kind);
    if (note.upper_bound) to->text(otel_name("telinject.duration_bound"), "upper");
  }
  auto add = [&](std::string_view name, uint64_t value) {
    if (value != 0) to->count(name, value);
  };
  add(otel_name("telinject.waited_ns"), static_cast<uint64_t>(note.waited_ns));
  add(otel_name("telinject.preempted_ns"), static_cast<uint64_t>(note.preempted_ns));
  add(otel_name("telinject.lost_calls"), note.lost_calls);
  add(otel_name("telinject.not_running_ns"), static_cast<uint64_t>(note.not_running_ns));
  add(otel_name("telinject.http_wait_ns"), static_cast<uint64_t>(note.http_wait_ns));
}

ExceptionNote exception_note(const PointEvent& event) {
  ExceptionNote note;
  note.timestamp_ns = event.place.timestamp_ns;
  if (event.error != nullptr) {
    note.attributes.text(otel_name("exception.type"), event.error->type);
    note.attributes.text(otel_name("exception.message"), event.error->message);
    if (!event.error->stack.empty()) {
      note.attributes.text(otel_name("exception.stacktrace"), event.error->stack);
    }
  }
  for (const Attribute& attribute : event.attributes) {
    std::string name = registry::otel_name_of(attribute.name);
    if (!name.empty()) note.attributes.value(name, attribute.value);
  }
  return note;
}

std::string function_part(const FunctionInfo& function, bool lean) {
  AttributeSet attributes;
  add_function_attributes(function, lean, &attributes);
  std::string part;
  pbf_writer fields(part);
  add_text(&fields, span::kName, function.name);
  fields.add_enum(span::kKind, kInternal);
  append_attributes(&part, attributes);
  return part;
}

std::string thread_part(const ThreadInfo& thread) {
  AttributeSet attributes;
  add_thread_attributes(thread, &attributes);
  std::string part;
  append_attributes(&part, attributes);
  return part;
}

std::string trace_part(TraceId trace, std::string_view trace_state) {
  std::string part;
  pbf_writer fields(part);
  add_id(&fields, span::kTraceId, trace);
  if (!trace_state.empty()) add_text(&fields, span::kTraceState, trace_state);
  return part;
}

std::string sampling_trace_state(uint64_t rate) {
  if (rate >= kRateOne) return {};
  std::string digits = absl::StrCat(absl::Hex(sampling_threshold(rate), absl::kZeroPad14));
  digits.erase(std::max<size_t>(digits.find_last_not_of('0') + 1, 1));
  return "ot=th:" + digits;
}

void append_call(std::string* fields, const SpanEnd& end, std::string_view trace,
                 std::string_view function, std::string_view thread, const Exceptions* exceptions) {
  fields->append(trace);
  pbf_writer writer(*fields);
  add_ids_and_times(&writer, end, 0);
  fields->append(function).append(thread);
  if (end.note != nullptr || end.error != nullptr) {
    AttributeSet attributes;
    if (end.note != nullptr) add_note_attributes(*end.note, &attributes);
    if (end.error != nullptr) add_error_attributes(*end.error, &attributes);
    append_attributes(fields, attributes);
  }
  if (end.error != nullptr) add_status(&writer, *end.error);
  add_exceptions(fields, exceptions);
}

void append_operation(std::string* fields, const SpanEnd& end, std::string_view trace,
                      const AttributeSet& start, const Exceptions* exceptions) {
  const Operation& operation = *end.operation;
  int kind = span_kind(operation);
  fields->append(trace);
  pbf_writer writer(*fields);
  bool remote = kind == kServer && end.place.parent_span_id != 0;
  add_ids_and_times(&writer, end, remote ? kIsRemote : 0);
  add_text(&writer, span::kName, operation.name);
  writer.add_enum(span::kKind, kind);
  AttributeSet attributes = start;
  add_operation_attributes(operation, end.function, &attributes);
  add_thread_attributes(*end.thread, &attributes);
  if (end.error != nullptr) add_error_attributes(*end.error, &attributes);
  append_attributes(fields, attributes);
  if (end.error != nullptr) add_status(&writer, *end.error);
  add_exceptions(fields, exceptions);
}

void finish_span(std::string* item, std::string_view fields, uint64_t parent,
                 const LeftOut& left_out) {
  std::string rest;
  pbf_writer writer(rest);
  if (parent != 0) add_id(&writer, span::kParentSpanId, parent);
  if (left_out.calls != 0) {
    AttributeSet attributes;
    attributes.count(otel_name("telinject.left_out.calls"), left_out.calls);
    attributes.count(otel_name("telinject.left_out.ns"), left_out.ns);
    attributes.append_to(&rest, span::kAttributes);
  }
  pbf_writer outer(*item);
  outer.add_bytes_vectored(field::request::kItems, fields, rest);
}

void append_plain_span(std::string* item, const SpanEnd& end, std::string_view trace,
                       std::string_view function, std::string_view thread) {
  constexpr size_t kId = 2 + kSpanIdBytes, kTime = 9, kFlagBytes = 6;
  bool child = end.place.parent_span_id != 0;
  size_t size = trace.size() + kId + 2 * kTime + kFlagBytes + function.size() + thread.size() +
                (child ? kId : 0);
  item->push_back(static_cast<char>(field::request::kItems << 3 | 2));
  protozero::add_varint_to_buffer(item, size);
  item->append(trace);
  pbf_writer writer(*item);
  add_ids_and_times(&writer, end, 0);
  if (child) add_id(&writer, span::kParentSpanId, end.place.parent_span_id);
  item->append(function).append(thread);
}

}  // namespace telinject::otlp
