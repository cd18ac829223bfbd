// What was not recorded or not written, by reason.
#pragma once

#include <array>
#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject::drain {

class Losses {
 public:
  // How many is not known: a program's counter says more than there can be. It stays so.
  static constexpr uint64_t kUnknown = ~uint64_t{0};

  void add(LossReason reason, uint64_t count) {
    grow(&counts_[static_cast<size_t>(reason)], count);
  }
  void add_unknown(LossReason reason) { add(reason, kUnknown); }
  uint64_t count(LossReason reason) const { return counts_[static_cast<size_t>(reason)]; }
  // kUnknown if one of them is.
  uint64_t total() const {
    uint64_t sum = 0;
    for (uint64_t count : counts_) grow(&sum, count);
    return sum;
  }

  template <typename Archive>
  void io(Archive& a) {
    a(counts_);
  }

 private:
  static void grow(uint64_t* sum, uint64_t count) {
    if (__builtin_add_overflow(*sum, count, sum)) *sum = kUnknown;
  }

  std::array<uint64_t, kLossReasons> counts_{};
};

}  // namespace telinject::drain
