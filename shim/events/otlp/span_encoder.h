// Spans in OTLP's encoding: one for the start and the end of a v3 span, made at the end.
//
// What is constant for a function, a thread or a trace is encoded once; the span of a plain call is
// these parts and a few numbers. docs/export.md says what becomes of each field of v3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shim/channel/ids.h"
#include "shim/events/event.h"
#include "shim/events/otlp/attribute_set.h"

namespace telinject::otlp {

// An exception that was told in a span.
struct ExceptionNote {
  int64_t timestamp_ns = 0;
  AttributeSet attributes;  // exception.type, ...
};

// Those of one span: kMostExceptions at most, and how many more there were.
struct Exceptions {
  std::vector<ExceptionNote> kept;
  uint32_t left_out = 0;
};
inline constexpr size_t kMostExceptions = 128;

// What was left out below a span (SpanBudget).
struct LeftOut {
  uint64_t calls = 0;
  uint64_t ns = 0;
};

// Encoded parts.
// Name, kind, attributes; if lean, of those only where the function is.
std::string function_part(const FunctionInfo& function, bool lean);
std::string thread_part(const ThreadInfo& thread);  // attributes
std::string trace_part(TraceId trace, std::string_view trace_state);

// The tracestate of a trace that was sampled with this rate (in billionths): "ot=th:8", "" for all.
// The threshold is the one that the program has compared with.
std::string sampling_trace_state(uint64_t rate);

// Appends a span without its parent and what was left out, which SpanBudget may yet change: to the
// fields of Span. finish_span() makes the item of it.
void append_call(std::string* fields, const SpanEnd& end, std::string_view trace,
                 std::string_view function, std::string_view thread, const Exceptions* exceptions);
// Of an operation. `start`: the attributes of its start, which the end's are added to.
void append_operation(std::string* fields, const SpanEnd& end, std::string_view trace,
                      const AttributeSet& start, const Exceptions* exceptions);

// Appends the field ScopeSpans.spans with a span of these fields.
void finish_span(std::string* item, std::string_view fields, uint64_t parent,
                 const LeftOut& left_out);
// The same for a call that is neither kept back nor anything but plain: in one step.
void append_plain_span(std::string* item, const SpanEnd& end, std::string_view trace,
                       std::string_view function, std::string_view thread);

// Attributes of an operation's event, besides the thread's.
void add_operation_attributes(const Operation& operation, const FunctionInfo* function,
                              AttributeSet* to);
void add_thread_attributes(const ThreadInfo& thread, AttributeSet* to);
void add_function_attributes(const FunctionInfo& function, bool lean, AttributeSet* to);
void add_error_attributes(const ErrorInfo& error, AttributeSet* to);
void add_note_attributes(const ExitNote& note, AttributeSet* to);
ExceptionNote exception_note(const PointEvent& event);
int span_kind(const Operation& operation);

}  // namespace telinject::otlp
