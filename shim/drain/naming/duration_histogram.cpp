#include "shim/drain/naming/duration_histogram.h"

#include <algorithm>
#include <cmath>

namespace telinject::drain {

uint64_t DurationHistogram::percentile(double share) const {
  uint64_t count = 0;
  for (const auto& row : rows_) {
    for (uint64_t n : row) count += n;
  }
  if (count == 0) return 0;
  auto rank = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count)));
  rank = std::clamp<uint64_t>(rank, 1, count);
  for (uint32_t row = 0; row < places_.size(); row++) {
    if (places_[row] == 0) continue;
    const auto& counts = rows_[places_[row] - 1u];
    for (uint64_t part = 0; part < kParts; part++) {
      if (counts[part] < rank) {
        rank -= counts[part];
        continue;
      }
      if (row == 0) return part;
      // The middle of the part.
      uint64_t width = uint64_t{1} << (row - 1);
      return (kParts + part) * width + (width - 1) / 2;
    }
  }
  return 0;
}

}  // namespace telinject::drain
