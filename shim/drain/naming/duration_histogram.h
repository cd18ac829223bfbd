// How often which duration occurred, log-linear: each power of two is cut into 32 equal parts. So a
// percentile is at most 1.6 % (a 64th) off, and exact below 64 ns; it costs two stores to count one
// and 256 bytes a power of two that occurs.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace telinject::drain {

class DurationHistogram {
 public:
  // The bound on a percentile's relative error.
  static constexpr double kError = 1.0 / 64;

  void add(uint64_t ns) {
    // Values below 32 are a row of their own; then a row for each power of two.
    auto exponent = static_cast<uint32_t>(std::bit_width(ns | (kParts - 1)));
    uint32_t row = exponent - kPartBits;
    uint64_t part = row == 0 ? ns : ns >> (row - 1) & (kParts - 1);
    uint8_t& place = places_[row];
    if (place == 0) [[unlikely]] {
      rows_.emplace_back();
      place = static_cast<uint8_t>(rows_.size());
    }
    rows_[place - 1u][part]++;
  }

  // The value that `share` (0 to 1) of the durations do not exceed, by nearest rank; 0 if there are
  // none.
  uint64_t percentile(double share) const;

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

  std::array<uint8_t, 64 - kPartBits + 1> places_{};  // of each row in rows_, from 1; 0: empty
  std::vector<std::array<uint64_t, kParts>> rows_;
};

}  // namespace telinject::drain
