#include "shim/events/duration_histogram.h"

#include <algorithm>
#include <cmath>

namespace telinject {

namespace {

// 2^(i / 8) * 10^9, of which `fraction` are 2^-64: the bounds of buckets between 1 s and 2 s.
struct Bound {
  uint64_t whole, fraction;
};
constexpr Bound kBounds[] = {
    {0x3b9aca00, 0x0},
    {0x40ffd3d4, 0xaa4e5371b526d9b5},
    {0x46e1dc4b, 0x00b253ec8fd87204},
    {0x4d4c3382, 0xa6a891c890bb620f},
    {0x544b2fba, 0x5f832838e71c65bc},
    {0x5bec4509, 0x686ecf501e3baddb},
    {0x643e1f3e, 0x81e6df61ad318bc2},
    {0x6d50be16, 0x68caaaed8a854b7a},
};
constexpr int kBuckets = std::size(kBounds);

// The last nanosecond that lies below or at the lower bound of a bucket; the largest there is, if
// that is larger.
constexpr uint64_t last_up_to(int bucket) {
  constexpr int kFractionBits = 64;
  constexpr uint64_t kLargest = ~uint64_t{0};
  int power = bucket >> DurationHistogram::kScale;
  const Bound& bound = kBounds[bucket - power * kBuckets];
  auto scaled = static_cast<unsigned __int128>(bound.whole) << kFractionBits | bound.fraction;
  scaled >>= kFractionBits - power;
  return scaled > kLargest ? kLargest : static_cast<uint64_t>(scaled);
}

// Of 1 ns: 2^-30 s < 1 ns <= 2^-29 s.
constexpr int kFirstBucket = -30 * kBuckets;

constexpr int next_bucket(uint64_t ns, int from) {
  while (last_up_to(from + 1) < ns) from++;
  return from;
}

}  // namespace

struct DurationTable {
  using Histogram = DurationHistogram;

  static constexpr Histogram::Table make() {
    Histogram::Table table = {};
    int bucket = kFirstBucket;
    for (uint32_t row = 0; row < Histogram::kRows; row++) {
      uint8_t cuts = 0;
      for (uint64_t i = 0; i < Histogram::kParts; i++) {
        Histogram::Part& part = table[row][i];
        uint64_t first = Histogram::first_of(row, i);
        uint64_t last = first + (row == 0 ? 0 : (uint64_t{1} << (row - 1)) - 1);
        part.cuts_before = cuts;
        if (first == 0) continue;
        bucket = next_bucket(first, bucket);
        part.bucket = static_cast<int16_t>(bucket);
        if (last_up_to(bucket + 1) >= last) continue;
        part.cut = last_up_to(bucket + 1);
        cuts++;
      }
    }
    return table;
  }
};

constexpr DurationHistogram::Table DurationHistogram::kTable = DurationTable::make();

uint64_t DurationHistogram::percentile(double share) const {
  uint64_t count = 0;
  for (const auto& row : rows_) {
    for (uint64_t n : row) count += n;
  }
  if (count == 0) return 0;
  auto rank = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count)));
  rank = std::clamp<uint64_t>(rank, 1, count);
  uint64_t value = 0;
  each_range([&](const Range& range) {
    if (rank == 0) return;
    if (range.count < rank) {
      rank -= range.count;
      return;
    }
    value = range.first + (range.last - range.first) / 2;
    rank = 0;
  });
  return value;
}

void DurationHistogram::join(const DurationHistogram& other) {
  for (size_t row = 0; row < other.places_.size(); row++) {
    if (other.places_[row] == 0) continue;
    if (places_[row] == 0) {
      rows_.emplace_back();
      places_[row] = static_cast<uint8_t>(rows_.size());
    }
    auto& counts = rows_[places_[row] - 1u];
    const auto& more = other.rows_[other.places_[row] - 1u];
    for (size_t i = 0; i < counts.size(); i++) counts[i] += more[i];
  }
}

}  // namespace telinject
