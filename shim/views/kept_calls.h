// Which calls a report shows one by one when all would be too many.
//
// A duration is doubled until few enough calls are longer. Kept besides: calls that failed,
// outermost calls, the calls of each function that took longest themselves, and whatever is around
// a kept call.
#pragma once

#include <cstdint>
#include <vector>

#include "shim/views/span_log.h"

namespace telinject::views {

struct KeptCalls {
  int64_t threshold_ns = 0;             // 0: all are kept
  std::vector<std::vector<bool>> kept;  // by track and call
  uint64_t count = 0;
};

KeptCalls choose_calls(const SpanLog& log, uint64_t most);

}  // namespace telinject::views
