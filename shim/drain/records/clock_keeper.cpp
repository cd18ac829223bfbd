#include "shim/drain/records/clock_keeper.h"

#include <time.h>

#include "shim/channel/clock.h"
#include "shim/drain/base/warn.h"

namespace telinject::drain {

namespace {

constexpr double kSuspiciousPpm = 50;

ClockMap start_map(ClockKind kind) {
  ClockAnchor anchor = ClockMap::take_anchor(kind);
  return {kind, anchor, clock_ns(CLOCK_REALTIME)};
}

}  // namespace

ClockKeeper::ClockKeeper(ClockKind kind)
    : map_(start_map(kind)), first_ns_(monotonic_ns()), last_anchor_ns_(first_ns_) {}

ClockKeeper::ClockKeeper(ClockKind kind, ClockAnchor first, int64_t realtime_ns, ClockAnchor second)
    : map_(kind, first, realtime_ns), calibrated_(true), recorded_(true) {
  map_.add_anchor(second);
}

void ClockKeeper::calibrate() {
  auto age = static_cast<int64_t>(monotonic_ns() - first_ns_);
  if (age < kCalibrationNs && map_.kind() == ClockKind::kTsc) {
    timespec rest = {0, static_cast<long>(kCalibrationNs - age)};
    nanosleep(&rest, nullptr);
  }
  map_.add_anchor_now();
  calibrated_ = true;
  last_anchor_ns_ = monotonic_ns();
}

void ClockKeeper::keep_time() {
  if (!calibrated_ || recorded_) return;
  uint64_t now = monotonic_ns();
  if (now - last_anchor_ns_ < kSecond) return;
  double ppm = map_.add_anchor_now();
  if (ppm > kSuspiciousPpm && map_.kind() == ClockKind::kTsc) {
    warn(
        "the TSC's rate changed by more than 50 ppm within a second: durations may be off; "
        "TELEMETRY_CLOCK=monotonic is slower and steady");
  }
  last_anchor_ns_ = now;
}

}  // namespace telinject::drain
