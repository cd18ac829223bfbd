#include "hooks/http/request_context.h"

#include "hooks/calls/attach.h"
#include "hooks/calls/context.h"
#include "hooks/http/traffic.h"
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

Lane* lane_of_thread(uintptr_t sp) {
  Lane* lane = t_hook.lane;
  if (TELINJECT_LIKELY(lane != nullptr && g_alive.mask != 0)) return lane;
  return attach_thread(sp);
}

void new_trace(Lane* lane, HttpContext* context) {
  context->root_number = next_root_number(lane);
  TraceId id = trace_id(g_process.key, lane->index, context->root_number);
  context->sampled = sampled(id, g_process.sampling_threshold) ? 1 : 0;
  context->trace = {id.hi, id.lo, 0, 1, context->sampled};
  context->parent = HttpParent::kNone;
}

bool client_context(uintptr_t sp, HttpContext* context) {
  *context = {};
  Lane* lane = lane_of_thread(sp);
  if (lane == nullptr) return false;
  if (current_context(sp, &context->trace)) {
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
