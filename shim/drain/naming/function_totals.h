// What became of a function's calls, over all processes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "shim/drain/naming/duration_histogram.h"

namespace telinject::drain {

// Times that a program makes up must not overflow the sums.
inline void add_ns(int64_t* sum, int64_t ns) {
  if (__builtin_add_overflow(*sum, ns, sum)) *sum = std::numeric_limits<int64_t>::max();
}

struct FunctionTotals {
  std::string name, module;
  std::string linkage_name;  // "" where it is `name`
  std::string file;          // where it is defined; "" if not known
  uint64_t line = 0;
  uint64_t calls = 0;    // spans that ended
  int64_t self_ns = 0;   // without its children, and without waiting for HTTP
  int64_t http_ns = 0;   // that its calls waited for responses to requests of their own
  int64_t total_ns = 0;  // with them; recursion counts each level
  int64_t min_ns = std::numeric_limits<int64_t>::max();
  int64_t max_ns = 0;
  uint64_t lost_calls = 0;  // that it made itself and were not recorded: they are in its own time
  DurationHistogram durations;

  void add(int64_t duration_ns, int64_t children_ns, int64_t waited_for_http_ns) {
    calls++;
    int64_t own_ns = std::max<int64_t>(duration_ns - children_ns, 0);
    waited_for_http_ns = std::min(waited_for_http_ns, own_ns);
    add_ns(&self_ns, own_ns - waited_for_http_ns);
    add_ns(&http_ns, waited_for_http_ns);
    add_ns(&total_ns, duration_ns);
    min_ns = std::min(min_ns, duration_ns);
    max_ns = std::max(max_ns, duration_ns);
    durations.add(static_cast<uint64_t>(duration_ns));
  }
  template <typename Archive>
  void io(Archive& a) {
    a(name, module, linkage_name, file, line, calls, self_ns, http_ns, total_ns, min_ns, max_ns,
      lost_calls, durations);
  }
  // At most DurationHistogram::kError off.
  int64_t percentile_ns(double share) const {
    if (calls == 0) return 0;
    return std::clamp(static_cast<int64_t>(durations.percentile(share)), min_ns, max_ns);
  }
};

}  // namespace telinject::drain
