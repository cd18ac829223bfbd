// Sizes: of rings under limits, and of the segment that is made of them.
#include <catch2/catch.hpp>

#include <set>
#include <string>

#include "shim/channel/layout.h"
#include "shim/channel/limits.h"
#include "shim/channel/record.h"

namespace telinject::test {

TEST_CASE("a ring is the largest power of two that is allowed, within its bounds") {
  CHECK(clamp_ring_bytes(~uint64_t{0}) == kMaxRingBytes);
  CHECK(clamp_ring_bytes(kMaxRingBytes) == kMaxRingBytes);
  CHECK(clamp_ring_bytes(kMaxRingBytes - 1) == kMaxRingBytes / 2);
  CHECK(clamp_ring_bytes(300000) == 262144);
  CHECK(clamp_ring_bytes(kMinRingBytes) == kMinRingBytes);
  CHECK(clamp_ring_bytes(kMinRingBytes - 1) == kMinRingBytes);
  CHECK(clamp_ring_bytes(0) == kMinRingBytes);
}

TEST_CASE("whatever the control group allows is within a ring's bounds") {
  uint32_t ring = ring_bytes_for_cgroup();
  CHECK(ring >= kMinRingBytes);
  CHECK(ring <= kMaxRingBytes);
  CHECK((ring & (ring - 1)) == 0);
}

TEST_CASE("groups of lanes follow each other without a gap") {
  uint32_t next = 0;
  for (uint32_t group = 0; group < kMaxGroups; group++) {
    CHECK(group_first_lane(group) == next);
    next += group_lanes(group);
  }
  CHECK(next == kMaxLanes);
}

TEST_CASE("lanes lie on pages, one behind the other, with a page to spare") {
  for (uint64_t ring : {uint64_t{kMinRingBytes}, uint64_t{kMaxRingBytes}}) {
    CHECK(lane_offset(ring, 0) == sizeof(SegmentHeader));
    CHECK(lane_offset(ring, 1) - lane_offset(ring, 0) == ring + kLaneTailBytes);
    CHECK(lane_offset(ring, 7) % kPageBytes == 0);
    CHECK(segment_bytes(ring, 8) == lane_offset(ring, 8) + kPageBytes);
  }
}

TEST_CASE("a lane position is its lap and its offset") {
  uint64_t position = lane_position(12345, kMaxRingBytes + kSpillBytes);
  CHECK(position_lap(position) == 12345);
  CHECK(position_offset(position) == kMaxRingBytes + kSpillBytes);
}

TEST_CASE("a unit's first word tells what it is") {
  uint64_t ticks = 0x123456789abcdef;
  CHECK_FALSE(is_exit(ticks));
  CHECK(record_bytes(ticks) == kEntryBytes);
  CHECK(is_exit(ticks | kExitBit));
  CHECK(record_bytes(ticks | kExitBit) == kExitBytes);
  CHECK(record_bytes(kVoid) == kUnitBytes);
  CHECK(is_second_unit(ticks | kSecondUnit));
  CHECK(record_bytes(ticks | kSecondUnit) == kUnitBytes);
  CHECK_FALSE(is_second_unit(ticks | kExitBit));
}

TEST_CASE("a control word gives its kind and value back, and is no function's address") {
  uint64_t word = control_word(ControlKind::kMessageData, 0xffff123456789abc);
  CHECK(is_control(word));
  CHECK(control_kind(word) == ControlKind::kMessageData);
  CHECK(control_a(word) == 0x123456789abc);
  CHECK_FALSE(is_control(0x7fffffffffff));
}

TEST_CASE("each reason for a loss has a name of its own") {
  std::set<std::string> names;
  for (size_t i = 0; i < kLossReasons; i++) {
    names.insert(loss_reason_name(static_cast<LossReason>(i)));
  }
  CHECK(names.size() == kLossReasons);
  CHECK_FALSE(names.contains("unknown"));
}

}  // namespace telinject::test
