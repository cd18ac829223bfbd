// From ticks to time: linear between anchors, never backwards.
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>

#include "shim/drain/records/clock_map.h"

namespace telinject::test::clock_map_test {
using namespace drain;
namespace {

constexpr int64_t kEpoch = 1700000000000000000;
constexpr int64_t kSecond = 1000000000;

// 2.5 ticks a nanosecond from tick 1,000,000 at monotonic time 77.
constexpr uint64_t kFirstTick = 1000000;
ClockMap map_at_2_5_ghz() {
  ClockMap map(ClockKind::kTsc, {kFirstTick, 77}, kEpoch);
  map.add_anchor({kFirstTick + 2500000000, 77 + kSecond});
  return map;
}

}  // namespace

TEST_CASE("the rate follows from the first two anchors") {
  ClockMap map = map_at_2_5_ghz();
  CHECK(map.to_ns(kFirstTick) == kEpoch);
  CHECK(std::llabs(map.to_ns(kFirstTick + 25) - (kEpoch + 10)) <= 1);
  CHECK(std::llabs(map.to_ns(kFirstTick + 2500000000) - (kEpoch + kSecond)) <= 1);
  // Beyond the last anchor and before the first.
  CHECK(std::llabs(map.to_ns(kFirstTick + 5000000000) - (kEpoch + 2 * kSecond)) <= 2);
  CHECK(std::llabs(map.to_ns(kFirstTick - 25) - (kEpoch - 10)) <= 1);
}

TEST_CASE("the monotonic clock is carried to the epoch as it is") {
  ClockMap map(ClockKind::kMonotonic, {500, 500}, kEpoch);
  CHECK(map.to_ns(500) == kEpoch);
  map.add_anchor({700, 700});
  CHECK(map.to_ns(12345) == kEpoch + 12345 - 500);
  CHECK(map.to_ns(400) == kEpoch - 100);
}

TEST_CASE("a clock that drifts is followed: time meets the anchors and never goes back") {
  ClockMap map = map_at_2_5_ghz();
  uint64_t ticks = kFirstTick + 2500000000;
  int64_t monotonic = 77 + kSecond;
  for (int i = 1; i <= 60; i++) {
    ticks += 2500000000 + static_cast<uint64_t>(i % 2 == 0 ? 50000 : 20000);  // 8 to 20 ppm fast
    monotonic += kSecond;
    map.add_anchor({ticks, monotonic});
    int64_t error = map.to_ns(ticks) - (kEpoch + monotonic - 77);
    CHECK(std::llabs(error) < 60000);
  }
  int64_t last = map.to_ns(kFirstTick);
  bool ordered = true;
  for (uint64_t at = kFirstTick; at < ticks + 1000000000; at += 12345678) {
    int64_t ns = map.to_ns(at);
    ordered = ordered && ns >= last;
    last = ns;
  }
  CHECK(ordered);
}

TEST_CASE("pieces join: no duration is bent at an anchor") {
  ClockMap map = map_at_2_5_ghz();
  uint64_t anchor = kFirstTick + 5000100000;
  map.add_anchor({anchor, 77 + 2 * kSecond});
  CHECK(map.to_ns(anchor) - map.to_ns(anchor - 1) <= 1);
  CHECK(map.to_ns(anchor) - map.to_ns(anchor - 1) >= 0);
}

TEST_CASE("how far the rate has moved is told in parts per million") {
  ClockMap map = map_at_2_5_ghz();
  double ppm = map.add_anchor({kFirstTick + 2500000000 + 2500250000, 77 + 2 * kSecond});
  CHECK(ppm == Approx(100).margin(1));
  ClockMap steady = map_at_2_5_ghz();
  CHECK(steady.add_anchor({kFirstTick + 5000000000, 77 + 2 * kSecond}) < 1);
}

TEST_CASE("anchors that do not advance are left out") {
  ClockMap map = map_at_2_5_ghz();
  int64_t before = map.to_ns(kFirstTick + 1000);
  CHECK(map.add_anchor({kFirstTick, 77 + 2 * kSecond}) == 0);
  CHECK(map.add_anchor({kFirstTick + 5000000000, 77}) == 0);
  CHECK(map.to_ns(kFirstTick + 1000) == before);
}

TEST_CASE("a wild jump of one clock bends time by a tenth at most, and never backwards") {
  ClockMap map = map_at_2_5_ghz();
  map.add_anchor({kFirstTick + 5000000000, 77 + 100 * kSecond});
  map.add_anchor({kFirstTick + 7500000000, 77 + 101 * kSecond});
  int64_t last = 0;
  for (uint64_t at = kFirstTick; at < kFirstTick + 20000000000; at += 50000000) {
    CHECK(map.to_ns(at) >= last);
    last = map.to_ns(at);
  }
}

TEST_CASE("ticks that no clock has shown give a time that events can carry") {
  ClockMap map = map_at_2_5_ghz();
  ClockMap monotonic(ClockKind::kMonotonic, {500, 500}, kEpoch);
  for (uint64_t ticks : {uint64_t{0}, uint64_t{1}, (uint64_t{1} << 62) - 1, uint64_t{1} << 61,
                         ~uint64_t{0}, uint64_t{1} << 63, (uint64_t{1} << 63) + 2 * kFirstTick}) {
    CAPTURE(ticks);
    CHECK(map.to_ns(ticks) >= 0);
    CHECK(monotonic.to_ns(ticks) >= 0);
  }
  CHECK(map.to_ns((uint64_t{1} << 62) - 1) > kEpoch);
}

TEST_CASE("an anchor reads both clocks at one moment") {
  for (ClockKind kind : {ClockKind::kTsc, ClockKind::kMonotonic}) {
    ClockAnchor a = ClockMap::take_anchor(kind), b = ClockMap::take_anchor(kind);
    CHECK(b.ticks > a.ticks);
    CHECK(b.monotonic_ns >= a.monotonic_ns);
    uint64_t now = ClockMap::now(kind);
    CHECK(now >= b.ticks);
  }
}

}  // namespace telinject::test::clock_map_test
