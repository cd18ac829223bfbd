// The clock map of a drain that is running: takes the anchors when they are due.
#pragma once

#include <cstdint>

#include "shim/drain/records/clock_map.h"

namespace telinject::drain {

class ClockKeeper {
 public:
  explicit ClockKeeper(ClockKind kind);
  // For a recording: its first two anchors give the rate, add_anchor() tells later ones.
  ClockKeeper(ClockKind kind, ClockAnchor first, int64_t realtime_ns, ClockAnchor second);
  void add_anchor(ClockAnchor anchor) { map_.add_anchor(anchor); }

  // Nanoseconds since the epoch. The first call waits until the rate of the clock can be measured,
  // ten milliseconds after the keeper was made: a program that makes no call never waits for it.
  int64_t to_ns(uint64_t ticks) {
    if (!calibrated_) [[unlikely]]
      calibrate();
    return map_.to_ns(ticks);
  }

  // Call it often: takes an anchor once a second, and warns of a clock that is not steady.
  void keep_time();

  // The map, for a recording that goes on where this has come to; nothing as long as no time was
  // asked for.
  template <typename Archive>
  void io(Archive& a) {
    bool used = calibrated_;
    a(used);
    if (used) a(map_);
  }

 private:
  void calibrate();

  ClockMap map_;
  bool calibrated_ = false;
  bool recorded_ = false;
  uint64_t first_ns_ = 0, last_anchor_ns_ = 0;  // monotonic
};

}  // namespace telinject::drain
