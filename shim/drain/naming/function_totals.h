// What became of a function's calls, over all processes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "shim/drain/naming/error_counts.h"
#include "shim/events/duration_histogram.h"
#include "shim/events/totals.h"

namespace telinject::drain {

using telinject::add_ns;

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
  CountsByType errors;  // those of the calls that ended by an error

  // More types count as the last one.
  static constexpr size_t kMostErrorTypes = 10;

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
  // Adds the calls of another row.
  void join(const FunctionTotals& other) {
    calls += other.calls;
    add_ns(&self_ns, other.self_ns);
    add_ns(&http_ns, other.http_ns);
    add_ns(&total_ns, other.total_ns);
    min_ns = std::min(min_ns, other.min_ns);
    max_ns = std::max(max_ns, other.max_ns);
    lost_calls += other.lost_calls;
    durations.join(other.durations);
    for (const auto& [type, count] : other.errors) {
      count_error(&errors, type, count, kMostErrorTypes);
    }
  }
  void add_error(std::string_view type) { count_error(&errors, type, 1, kMostErrorTypes); }
  template <typename Archive>
  void io(Archive& a) {
    a(name, module, linkage_name, file, line, calls, self_ns, http_ns, total_ns, min_ns, max_ns,
      lost_calls, durations, errors);
  }
  // At most DurationHistogram::kError off.
  int64_t percentile_ns(double share) const {
    if (calls == 0) return 0;
    return std::clamp(static_cast<int64_t>(durations.percentile(share)), min_ns, max_ns);
  }
};

}  // namespace telinject::drain
