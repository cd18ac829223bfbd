#include "hooks/http/request_context.h"

#include "hooks/calls/context.h"
#include "hooks/calls/operations.h"
#include "hooks/calls/stacks.h"
#include "hooks/http/traffic.h"
#include "hooks/http/turns.h"
#include "shim/channel/traceparent.h"

namespace telinject::program {

namespace {

// The value without the blanks around it, as a terminated text.
bool parse_value(const uint8_t* value, size_t size, TraceContext* out) {
  char text[128];
  while (size > 0 && (*value == ' ' || *value == '\t')) value++, size--;
  while (size > 0 &&
         (value[size - 1] == ' ' || value[size - 1] == '\t' || value[size - 1] == '\r')) {
    size--;
  }
  if (size >= sizeof text) return false;
  __builtin_memcpy(text, value, size);
  text[size] = 0;
  return parse_traceparent(text, out);
}

}  // namespace

bool find_traceparent(const Block& block, TraceContext* out) {
  *out = {};
  int found = 0;
  each_field(block, "traceparent", [&](const uint8_t* value, size_t size) {
    found++;
    if (!parse_value(value, size, out)) *out = {};
    return true;
  });
  if (found != 1) *out = {};
  return out->valid != 0;
}

namespace {

// What the thread tells about a client request's parent.
enum class OfThread : uint8_t {
  kSpan,     // it is the open call, or the one request that the thread serves
  kNothing,  // the thread has neither: its parent is the trace that the thread continues, if any
  kUnsure,   // the thread serves one request, but may work for another one
};

OfThread of_thread(Lane* lane, uintptr_t sp) {
  if (lane->served.adopted) settle_served(lane);
  if (stack_at(lane, sp).root.open) return OfThread::kSpan;
  if (!lane->served.adopted) return OfThread::kNothing;
  return works_for_others() ? OfThread::kUnsure : OfThread::kSpan;
}

}  // namespace

bool client_context(uintptr_t sp, HttpContext* context, Connection* connection, uint32_t number) {
  *context = {};
  Lane* lane = lane_of_thread(sp);
  if (lane == nullptr) return false;
  note_context_asked(lane);
  OfThread of = of_thread(lane, sp);
  if (of == OfThread::kNothing && known_cause(connection, number, &context->trace)) {
    context->parent = HttpParent::kIncoming;
    context->sampled = context->trace.sampled != 0 ? 1 : 0;
  } else if (of != OfThread::kUnsure && current_context(sp, &context->trace)) {
    context->parent = HttpParent::kThread;
    context->sampled = context->trace.sampled != 0 ? 1 : 0;
  } else {
    new_trace(lane, context);
  }
  return true;
}

bool server_context(uintptr_t sp, const TraceContext& incoming, HttpContext* context) {
  *context = {};
  Lane* lane = lane_of_thread(sp);
  if (lane == nullptr) return false;
  if (incoming.valid != 0) {
    context->trace = incoming;
    context->parent = HttpParent::kIncoming;
    context->sampled = incoming.sampled != 0 ? 1 : 0;
  } else {
    new_trace(lane, context);
  }
  return true;
}

void write_traceparent(char out[55], const HttpContext& context, uint64_t span) {
  TraceContext trace = context.trace;
  trace.span_id = span;
  trace.sampled = context.sampled;
  char text[kTraceparentLength + 1];
  format_traceparent(trace, text);
  __builtin_memcpy(out, text, kTraceparentLength);
}

}  // namespace telinject::program
