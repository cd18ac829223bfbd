#include "shim/drain/sampling/slow_roots.h"

#include <algorithm>
#include <cmath>

namespace telinject::drain {

SlowRoots::SlowRoots(double share)
    : share_(share), least_(static_cast<uint64_t>(std::ceil(1 / (1 - share) - 1e-6))) {}

bool SlowRoots::is_slow(std::string_view name, int64_t duration_ns) {
  std::string key(name);
  if (names_.size() >= kMostNames && !names_.contains(key)) key = "";
  Durations& known = names_[key];
  auto ns = static_cast<uint64_t>(std::max<int64_t>(duration_ns, 0));
  if (known.count >= std::max(known.next, least_)) {
    known.threshold_ns = known.histogram.percentile(share_);
    // Soon at first, then seldom: it takes some microseconds.
    known.next = known.count + std::max<uint64_t>(known.count / 16, 1);
    if (known.count >= kMostCounted) {
      known.histogram = DurationHistogram();
      known.count = known.next = 0;
    }
  }
  known.histogram.add(ns);
  known.count++;
  return known.threshold_ns != 0 && ns > known.threshold_ns;
}

}  // namespace telinject::drain
