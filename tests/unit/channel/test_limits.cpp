// Sizes: of what may wait, of the segment, and of what lies in it.
#include <catch2/catch.hpp>

#include <set>
#include <string>

#include "shim/channel/layout.h"
#include "shim/channel/limits.h"
#include "shim/channel/record.h"

namespace telinject::test::limits_test {

TEST_CASE("what may wait is an eighth of the memory, within bounds, or what the user says") {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  CHECK(waiting_bytes_of(kGiB) == kGiB / 8);
  CHECK(waiting_bytes_of(64 * kGiB) == kUsualWaitingBytes);
  CHECK(waiting_bytes_of(~uint64_t{0}) == kUsualWaitingBytes);
  CHECK(waiting_bytes_of(1 << 20) == kLeastWaitingBytes);
  CHECK(waiting_bytes(12345678) == 12345678);
  CHECK(waiting_bytes(0) >= kLeastWaitingBytes);
  CHECK(waiting_bytes(0) <= kUsualWaitingBytes);
}

TEST_CASE("what may wait now follows what is left: a quarter of it, an eighth of the limit") {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  CHECK(waiting_bytes_now(256 * kMiB, {96 * kMiB, 90 * kMiB}, 0) == 12 * kMiB);
  CHECK(waiting_bytes_now(256 * kMiB, {96 * kMiB, 20 * kMiB}, 0) == 5 * kMiB);
  CHECK(waiting_bytes_now(256 * kMiB, {96 * kMiB, 20 * kMiB}, 4 * kMiB) == 6 * kMiB);
  CHECK(waiting_bytes_now(256 * kMiB, {96 * kMiB, 0}, 0) == kLeastWaitingNow);
  CHECK(waiting_bytes_now(65536, {96 * kMiB, 0}, 0) == 65536);
  CHECK(waiting_bytes_now(256 * kMiB, {~uint64_t{0}, ~uint64_t{0}}, kMiB) == 256 * kMiB);
  MemoryRoom room = memory_room();
  CHECK(room.free <= room.limit);
  CHECK(room.limit == memory_limit());
}

TEST_CASE("groups of lanes and of chunks follow each other without a gap") {
  uint32_t next = 0;
  for (uint32_t group = 0; group < kMaxLaneGroups; group++) {
    CHECK(group_first_lane(group) == next);
    next += group_lanes(group);
  }
  CHECK(next == kMaxLanes);
  next = 0;
  for (uint32_t group = 0; group < kMaxChunkGroups; group++) {
    CHECK(group_first_chunk(group) == next);
    CHECK(chunk_group(next) == group);
    next += group_chunks(group);
    CHECK(chunk_group(next - 1) == group);
  }
  CHECK(next == kMaxChunks);
}

TEST_CASE("the parts of a segment lie on pages, one behind the other, with a page to spare") {
  for (auto [lanes, chunks] : {std::pair{1u, 1u}, std::pair{1024u, 6208u}}) {
    CHECK(lane_headers_offset() % alignof(LaneHeader) == 0);
    CHECK(chunk_table_offset(lanes) >= lane_headers_offset() + lanes * sizeof(LaneHeader));
    CHECK(pool_offset(lanes, chunks) % kPageBytes == 0);
    CHECK(pool_offset(lanes, chunks) >= chunk_table_offset(lanes) + chunks * sizeof(ChunkEntry));
    CHECK(segment_bytes(lanes, chunks) ==
          pool_offset(lanes, chunks) + uint64_t{chunks} * kChunkBytes + kPageBytes);
  }
}

TEST_CASE("a lane position is a chunk's number and an offset") {
  uint64_t position = lane_position(12345, kChunkBytes);
  CHECK(position_number(position) == 12345);
  CHECK(position_offset(position) == kChunkBytes);
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

}  // namespace telinject::test::limits_test
