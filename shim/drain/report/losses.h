// What was not recorded or not written, by reason.
#pragma once

#include <array>
#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject::drain {

class Losses {
 public:
  void add(LossReason reason, uint64_t count) { counts_[static_cast<size_t>(reason)] += count; }
  uint64_t count(LossReason reason) const { return counts_[static_cast<size_t>(reason)]; }
  uint64_t total() const {
    uint64_t sum = 0;
    for (uint64_t count : counts_) sum += count;
    return sum;
  }

  template <typename Archive>
  void io(Archive& a) {
    a(counts_);
  }

 private:
  std::array<uint64_t, kLossReasons> counts_{};
};

}  // namespace telinject::drain
