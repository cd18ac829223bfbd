// Where an operation of a program (an HTTP exchange, for example) belongs, as its message tells it.
#pragma once

#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject {

// How a context is to be understood.
enum class OperationParent : uint8_t {
  kNone,      // a trace of its own: trace_id() of the lane and `root_number`
  kThread,    // the span that is open at this record's place in the lane (function or server span)
  kIncoming,  // the one that came with the operation: `trace`
  kHeaders,   // HTTP/2: to be decided by the drain: an incoming traceparent if there is one (of a
              // server), else the thread's open span, else a trace of its own by `root_number`
};

struct OperationContext {
  TraceContext trace;  // kIncoming: of the peer; else the trace that was found, span_id its parent
  uint64_t root_number;  // of a trace that starts here
  OperationParent parent;
  uint8_t sampled;
  uint8_t reserved[6];
};

}  // namespace telinject
