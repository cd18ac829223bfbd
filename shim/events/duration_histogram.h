// How often which duration occurred, log-linear: each power of two is cut into 32 equal parts. So a
// percentile is at most 1.6 % (a 64th) off, and exact below 64 ns.
//
// A part that lies in two buckets of OpenTelemetry's exponential histogram of scale kScale, in
// seconds, is cut there once more: so these buckets are exact, too. To count a duration costs two
// stores; a power of two that occurs costs 320 bytes.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace telinject {

class DurationHistogram {
 public:
  // The bound on a percentile's relative error.
  static constexpr double kError = 1.0 / 64;
  // Bucket i has the durations above 2^(i / 8) and up to 2^((i + 1) / 8) seconds.
  static constexpr int kScale = 3;

  void add(uint64_t ns) {
    uint32_t row = row_of(ns);
    uint64_t part = part_of(ns, row);
    const Part& place = kTable[row][part];
    uint8_t& counts = places_[row];
    if (counts == 0) [[unlikely]] {
      rows_.emplace_back();
      counts = static_cast<uint8_t>(rows_.size());
    }
    rows_[counts - 1u][part + place.cuts_before + (ns > place.cut)]++;
  }

  void join(const DurationHistogram& other);

  // The value that `share` (0 to 1) of the durations do not exceed, by nearest rank; 0 if there are
  // none.
  uint64_t percentile(double share) const;

  // The bucket that a duration above 0 belongs to.
  static int32_t bucket_of(uint64_t ns) {
    uint32_t row = row_of(ns);
    const Part& place = kTable[row][part_of(ns, row)];
    return place.bucket + (ns > place.cut);
  }
  // Durations of 0, which lie in no bucket.
  uint64_t zeros() const { return places_[0] == 0 ? 0 : rows_[places_[0] - 1u][0]; }
  // visit(bucket, count) for each that is not empty, from the lowest; a bucket may come twice, one
  // call behind the other.
  template <typename Visit>
  void each_bucket(Visit&& visit) const {
    each_range([&](const Range& range) {
      if (range.first > 0) visit(range.bucket, range.count);
    });
  }

  template <typename Archive>
  void io(Archive& a) {
    a(places_, rows_);
    for (uint8_t place : places_) {
      if (place > rows_.size()) a.fail();
    }
  }

 private:
  static constexpr uint32_t kPartBits = 5;
  static constexpr uint64_t kParts = 1 << kPartBits;
  static constexpr size_t kBucketsOfPower = 1 << kScale;
  static constexpr size_t kRows = 64 - kPartBits + 1;
  static constexpr uint64_t kNoCut = ~uint64_t{0};

  struct Part {
    uint64_t cut = kNoCut;    // the last duration before one that lies in the next bucket
    int16_t bucket = 0;       // of its first duration
    uint8_t cuts_before = 0;  // of parts before it in its row
  };
  using Table = std::array<std::array<Part, kParts>, kRows>;
  static const Table kTable;
  friend struct DurationTable;

  // Durations [first, last], which lie in one bucket.
  struct Range {
    uint64_t first, last;
    int32_t bucket;
    uint64_t count;
  };

  // Values below 32 are a row of their own; then a row for each power of two.
  static uint32_t row_of(uint64_t ns) {
    return static_cast<uint32_t>(std::bit_width(ns | (kParts - 1))) - kPartBits;
  }
  static uint64_t part_of(uint64_t ns, uint32_t row) {
    return row == 0 ? ns : ns >> (row - 1) & (kParts - 1);
  }
  static constexpr uint64_t first_of(uint32_t row, uint64_t part) {
    return row == 0 ? part : (kParts + part) << (row - 1);
  }

  // visit(range) for each that is not empty, in their order.
  template <typename Visit>
  void each_range(Visit&& visit) const {
    for (uint32_t row = 0; row < kRows; row++) {
      if (places_[row] == 0) continue;
      const auto& counts = rows_[places_[row] - 1u];
      for (uint64_t part = 0; part < kParts; part++) {
        const Part& place = kTable[row][part];
        uint64_t first = first_of(row, part);
        uint64_t last = first + (row == 0 ? 0 : (uint64_t{1} << (row - 1)) - 1);
        uint64_t at = part + place.cuts_before;
        if (place.cut == kNoCut) {
          if (counts[at] != 0) visit(Range{first, last, place.bucket, counts[at]});
          continue;
        }
        if (counts[at] != 0) visit(Range{first, place.cut, place.bucket, counts[at]});
        if (counts[at + 1] != 0)
          visit(Range{place.cut + 1, last, place.bucket + 1, counts[at + 1]});
      }
    }
  }

  std::array<uint8_t, kRows> places_{};  // of each row in rows_, from 1; 0: empty
  std::vector<std::array<uint64_t, kParts + kBucketsOfPower>> rows_;
};

}  // namespace telinject
