// Which durations are among the longest of their name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "shim/events/duration_histogram.h"

namespace telinject::drain {

class SlowRoots {
 public:
  // `share`: 0.99 is the 99th percentile.
  explicit SlowRoots(double share);

  // True if it is longer than that share of those before it. Not before there are enough of them to
  // say so: 100 for the 99th percentile. Counts it.
  bool is_slow(std::string_view name, int64_t duration_ns);

 private:
  struct Durations {
    DurationHistogram histogram;
    uint64_t count = 0;
    uint64_t threshold_ns = 0;  // 0: none yet
    uint64_t next = 0;          // count at which it is looked at again
  };
  // Then counting begins anew, so that it follows the program.
  static constexpr uint64_t kMostCounted = 100000;
  // Beyond, all others share one.
  static constexpr size_t kMostNames = 1000;

  const double share_;
  const uint64_t least_;
  absl::flat_hash_map<std::string, Durations> names_;
};

}  // namespace telinject::drain
