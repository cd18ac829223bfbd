// The time by which the processor decides what it cannot know: the drain's own clock, or, of a
// recording, how far its batches have come.
#pragma once

#include <algorithm>
#include <cstdint>

#include "shim/channel/clock.h"
#include "shim/drain/records/clock_keeper.h"

namespace telinject::drain {

class DecisionTime {
 public:
  DecisionTime(ClockKeeper* clock, bool replay) : clock_(clock), replay_(replay) {}

  // Records up to that time are there.
  void reach(uint64_t ticks) {
    if (first_ == 0) first_ = ticks;
    ticks_ = std::max(ticks_, ticks);
  }
  uint64_t ticks() const { return ticks_; }
  uint64_t first_ticks() const { return first_; }  // of this processor
  // Nanoseconds, to be compared with each other only.
  uint64_t now_ns() const {
    return replay_ ? static_cast<uint64_t>(clock_->to_ns(ticks_)) : monotonic_ns();
  }

  template <typename Archive>
  void io(Archive& a) {
    a(ticks_);
  }

 private:
  ClockKeeper* clock_;
  bool replay_;
  uint64_t ticks_ = 0, first_ = 0;
};

}  // namespace telinject::drain
