// The span of an operation of the program: an HTTP exchange as client or server, a TLS connection.
#pragma once

#include <cstdint>

#include "shim/channel/ids.h"
#include "shim/events/event.h"

namespace telinject {

// Its ids and the other data of its events.
struct OperationSpan {
  TraceId trace = {};
  uint64_t id = 0, parent = 0;  // parent 0: none
  uint64_t start_ticks = 0;
  int64_t start_ns = 0;                    // since 1970
  ThreadInfo thread;                       // as it was called then
  const FunctionInfo* function = nullptr;  // that the operation was made in; null: none is known

  template <typename Archive>
  void io(Archive& a) {
    a(trace, id, parent, start_ticks, start_ns, thread);
    a.refer(function);
    if (start_ns < 0) a.fail();
  }
};

}  // namespace telinject
