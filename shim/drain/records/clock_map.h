// From the hooks' clock to time.
//
// Two clocks are read together now and then (an anchor); between anchors time is linear in ticks,
// and the pieces join, so the map is monotonic: a child cannot end after its parent by conversion.
// Time is CLOCK_MONOTONIC carried to the epoch once, at the first anchor: a wall clock that is set
// while the program runs does not bend durations.
#pragma once

#include <cstdint>
#include <vector>

#include "shim/channel/layout.h"

namespace telinject::drain {

struct ClockAnchor {
  uint64_t ticks;
  int64_t monotonic_ns;
};

// The clock's rate needs two readings this far apart.
inline constexpr int64_t kCalibrationNs = 10 * 1000000;

class ClockMap {
 public:
  // `first` and `realtime_ns` are of one moment. The ticks' rate follows from the first two
  // anchors.
  ClockMap(ClockKind kind, ClockAnchor first, int64_t realtime_ns);

  // Adds an anchor taken now; call it about once a second. Returns how far the rate since the last
  // anchor is from the rate before, in parts per million: beyond 50 the ticks are not to be
  // trusted.
  double add_anchor(ClockAnchor anchor);
  double add_anchor_now() { return add_anchor(take_anchor(kind_)); }

  // Nanoseconds since the epoch, never negative: whatever the ticks.
  int64_t to_ns(uint64_t ticks) const;
  ClockKind kind() const { return kind_; }

  // Both clocks at one moment: the tightest of several readings.
  static ClockAnchor take_anchor(ClockKind kind);
  static uint64_t now(ClockKind kind);

  template <typename Archive>
  void io(Archive& a) {
    a(kind_, offset_ns_, last_, calibrated_, pieces_);
    if (pieces_.empty()) a.fail();
  }

 private:
  // From `ticks` on: ns = start_ns + (ticks - start) * rate, the rate in 2^-32 ns a tick.
  struct Piece {
    uint64_t start;
    int64_t start_ns;
    uint64_t rate;
  };
  int64_t at(const Piece& piece, uint64_t ticks) const;

  ClockKind kind_;
  int64_t offset_ns_;  // monotonic -> epoch
  ClockAnchor last_;
  bool calibrated_ = false;
  // The last kMostPieces, an hour or so: times before them are those of the first piece. Twice as
  // many until the older half goes.
  static constexpr size_t kMostPieces = 4096;
  std::vector<Piece> pieces_;
};

}  // namespace telinject::drain
