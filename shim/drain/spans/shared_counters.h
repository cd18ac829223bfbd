// In a saved state: numbers that several owners count on, one behind the other. The first owner
// that is saved saves the number, the others say which one it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace telinject::drain {

class SharedCounters {
 public:
  using Counter = std::shared_ptr<uint64_t>;

  template <typename Archive>
  void io(Archive& a, Counter* counter) {
    auto found = std::find(known_.begin(), known_.end(), *counter);
    auto index = static_cast<uint64_t>(found - known_.begin());
    a(index);
    if (index < known_.size()) {
      *counter = known_[index];
      return;
    }
    if (Archive::kReads) *counter = std::make_shared<uint64_t>(0);
    a(**counter);
    known_.push_back(*counter);
  }

 private:
  std::vector<Counter> known_;
};

}  // namespace telinject::drain
