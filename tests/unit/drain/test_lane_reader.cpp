// The consuming side of a lane: what is read, in what order, and what is given back.
#include <catch2/catch.hpp>

#include <cstring>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "segment.h"
#include "shim/drain/batch_queue.h"
#include "shim/drain/lane_merge.h"
#include "shim/drain/lane_reader.h"
#include "shim/drain/segment_view.h"

namespace telinject::test {
namespace {

struct Lane {
  TestSegment segment{2, kMinRingBytes};
  RecordMemory memory;
  std::unique_ptr<SegmentView> view;
  LaneWriter writer{&segment, 1};
  std::unique_ptr<LaneReader> reader;

  Lane() {
    std::string problem;
    view = SegmentView::open(segment.descriptor(), &problem);
    REQUIRE(problem == "");
    reader = std::make_unique<LaneReader>(view.get(), 1, &memory);
  }
  LaneHeader* header() { return segment.lane(1); }
  // As if owners before had left off there.
  void start_at(uint64_t position) {
    header()->start.store(position);
    header()->released.store(position);
    writer = LaneWriter(&segment, 1);
    reader = std::make_unique<LaneReader>(view.get(), 1, &memory);
  }

  // Ticks of what is there, read by the reader and walked through as the drain does.
  std::vector<uint64_t> read(bool rest = false) {
    std::vector<Run> runs;
    size_t bytes = rest ? reader->read_rest(&runs) : reader->read(&runs, packs ? &packer : nullptr);
    std::vector<uint64_t> ticks;
    for (const Run& run : runs) {
      bytes -= run.size();
      packed_runs += run.unpacked_bytes != 0;
      LaneStream stream;
      stream.append(unpacked(run, &unpacker, &memory));
      while (const uint64_t* record = stream.peek()) {
        positions[*record & kTicksMask] = stream.position();
        ticks.push_back(*record & kTicksMask);
        stream.next();
      }
    }
    CHECK(bytes == 0);
    return ticks;
  }
  // Whatever is tested here holds of both.
  bool packs = GENERATE(false, true);
  int packed_runs = 0;
  RecordPacker packer;
  RecordUnpacker unpacker;
  std::map<uint64_t, uint64_t> positions;

  uint64_t put(uint64_t ticks) { return writer.entry(ticks, 0x1000, 0x2000, 0x7000, 0x1004); }
  // Bytes of the ring from `from` on that are zero.
  size_t zeros(uint64_t from) {
    size_t n = 0;
    for (; from + n < kMinRingBytes; n++) {
      if (segment.ring(1)[from + n] != std::byte{0}) break;
    }
    return n;
  }
};

using Ticks = std::vector<uint64_t>;

}  // namespace

TEST_CASE("records are read once, in order, at their positions") {
  Lane lane;
  CHECK(lane.read() == Ticks{});
  uint64_t first = lane.put(1);
  lane.writer.exit(2, 0x1000, 0x7000);
  CHECK(lane.read() == Ticks{1, 2});
  CHECK(lane.positions[1] == first);
  CHECK(lane.positions[2] == first + kEntryBytes);
  CHECK(lane.read() == Ticks{});
  lane.put(3);
  CHECK(lane.read() == Ticks{3});
  CHECK(lane.reader->lost_records() == 0);
}

TEST_CASE("runs are packed if they are wanted so, but those with messages") {
  Lane lane;
  for (uint64_t i = 1; i < 20; i += 2) {
    lane.put(i);
    lane.writer.exit(i + 1, 0x1000, 0x7000);
  }
  CHECK(lane.read().size() == 20);
  CHECK(lane.packed_runs == (lane.packs ? 1 : 0));
  lane.put(21);
  lane.writer.message(22, MessageType::kHttpEnd, "anything", 8);
  lane.put(23);
  std::vector<Run> runs;
  lane.reader->read(&runs, lane.packs ? &lane.packer : nullptr);
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].unpacked_bytes == 0);
  CHECK(runs[0].messages);
  CHECK(runs[0].size() == lane.writer.offset() - 10 * (kEntryBytes + kExitBytes));
}

TEST_CASE("a record that is not written yet keeps back those behind it, for a while") {
  Lane lane;
  lane.put(1);
  uint64_t hole = lane.writer.offset();
  lane.writer.hole(kEntryBytes);
  lane.put(3);
  CHECK(lane.read() == Ticks{1});
  CHECK(lane.read() == Ticks{});
  CHECK_FALSE(lane.reader->is_stuck());
  uint64_t end = lane.writer.offset();
  lane.writer.move_to(hole);
  lane.put(2);
  lane.writer.move_to(end);
  CHECK(lane.read() == Ticks{2, 3});
}

TEST_CASE("a hole in a ring that is full is skipped, and counted") {
  Lane lane;
  lane.put(1);
  lane.writer.hole(kEntryBytes);
  uint64_t ticks = 2;
  while (lane.writer.offset() + kEntryBytes <= kMinRingBytes - 8192) lane.put(ticks++);
  CHECK(lane.read() == Ticks{1});
  CHECK_FALSE(lane.reader->is_stuck());
  while (lane.writer.offset() + kEntryBytes <= kMinRingBytes) lane.put(ticks++);
  for (int units = 0; lane.reader->is_stuck(); units++) {
    REQUIRE(units < 2);
    lane.reader->skip_hole();
  }
  CHECK(lane.reader->lost_records() == 2);
  CHECK(lane.read().size() == ticks - 2);
}

TEST_CASE("half a record at the edge of a hole is no record") {
  Lane lane;
  lane.put(1);
  // A hook was interrupted after its second unit's words were stored, before its first.
  uint64_t offset = lane.writer.offset();
  auto* words = reinterpret_cast<uint64_t*>(lane.segment.ring(1) + offset);
  words[2] = 0x2000 | kSecondUnit;
  lane.writer.hole(kEntryBytes);
  lane.put(3);
  CHECK(lane.read() == Ticks{1});
  lane.writer.end();
  CHECK(lane.read(/*rest=*/true) == Ticks{3});
  CHECK(lane.reader->lost_records() == 1);
}

TEST_CASE("holes that were filled with voids are passed over") {
  Lane lane;
  lane.put(1);
  for (int i = 0; i < 3; i++) lane.writer.exit(0, 0, 0);  // kVoid
  lane.put(2);
  CHECK(lane.read() == Ticks{1, 2});
}

TEST_CASE("a wrap leads to the ring's start, in the next lap") {
  Lane lane;
  lane.start_at(lane_position(4, kMinRingBytes / 2));
  lane.put(1);
  lane.writer.wrap(2);
  uint64_t position = lane.put(3);
  CHECK(lane.read() == Ticks{1, 3});
  CHECK(lane.positions[3] == position);
  CHECK(position_lap(position) == 5);
  CHECK(position_offset(position) == 0);
}

TEST_CASE("records run on into the spill") {
  Lane lane;
  lane.start_at(kMinRingBytes - kUnitBytes);
  lane.put(1);
  lane.put(2);
  CHECK(lane.read() == Ticks{1, 2});
  CHECK(lane.positions[2] == kMinRingBytes + kUnitBytes);
}

TEST_CASE("what is given back is zero, and a history stays behind the reader") {
  Lane lane;
  uint64_t history = kMinRingBytes / 8;
  uint64_t ticks = 1;
  while (lane.writer.offset() < 4 * history) lane.put(ticks++);
  CHECK(lane.read().size() == ticks - 1);
  uint64_t released = position_offset(lane.header()->released.load());
  CHECK(released == lane.writer.offset() - history);
  CHECK(lane.zeros(0) >= released);
  CHECK(lane.zeros(released) == 0);
}

TEST_CASE("after a wrap the tail of the lap before is given back as the next one grows") {
  Lane lane;
  uint64_t history = kMinRingBytes / 8;
  uint64_t ticks = 1;
  while (lane.writer.offset() + kEntryBytes + kControlBytes <= kMinRingBytes) lane.put(ticks++);
  uint64_t lap_end = lane.writer.offset() + kControlBytes;
  lane.read();
  lane.writer.wrap(ticks++);
  lane.put(ticks++);
  lane.read();
  // All but the history, which lies in both laps.
  uint64_t released = lane.header()->released.load();
  CHECK(position_lap(released) == 0);
  CHECK(position_offset(released) == lap_end - (history - kEntryBytes));
  while (lane.writer.offset() < 2 * history) lane.put(ticks++);
  lane.read();
  released = lane.header()->released.load();
  CHECK(position_lap(released) == 1);
  CHECK(position_offset(released) == lane.writer.offset() - history);
  CHECK(lane.zeros(lane.writer.offset()) == kMinRingBytes - lane.writer.offset());
}

TEST_CASE("a waiting producer is woken when space is given back") {
  Lane lane;
  uint64_t ticks = 1;
  while (lane.writer.offset() < kMinRingBytes / 2) lane.put(ticks++);
  lane.header()->waiting.store(1);
  uint32_t before = lane.header()->released_futex.load();
  lane.read();
  CHECK(lane.header()->released_futex.load() == before + 1);
  CHECK(lane.header()->waiting.load() == 0);
  lane.put(ticks++);
  lane.read();
  CHECK(lane.header()->released_futex.load() == before + 1);  // nobody waits
}

TEST_CASE("the lane of a thread that has ended is read to its end, behind holes, and made ready") {
  Lane lane;
  lane.put(1);
  lane.writer.hole(kEntryBytes);
  lane.put(2);
  lane.writer.hole(kUnitBytes);
  lane.put(3);
  CHECK_FALSE(lane.reader->owner_has_ended());
  lane.writer.end();
  CHECK(lane.reader->owner_has_ended());
  CHECK(lane.read(/*rest=*/true) == Ticks{1, 2, 3});
  CHECK(lane.reader->lost_records() == 2);
  CHECK(lane.header()->owner.word.load() == 0);
  CHECK(lane.header()->start.load() == lane.writer.position());
  CHECK(lane.header()->released.load() == lane.writer.position());
  CHECK(lane.zeros(0) == kMinRingBytes);
}

TEST_CASE("the next owner goes on where the last one ended, and positions never repeat") {
  Lane lane;
  lane.put(1);
  lane.writer.end();
  lane.read(/*rest=*/true);
  LaneWriter next(&lane.segment, 1);
  uint64_t position = next.entry(2, 0x1000, 0x2000, 0x7000, 0x1004);
  CHECK(position == kEntryBytes);
  LaneReader reader(lane.view.get(), 1, &lane.memory);
  std::vector<Run> runs;
  CHECK(reader.read(&runs) == kEntryBytes);
  CHECK(runs.at(0).position == position);
}

TEST_CASE("an owner that ended in the spill leaves the next one a new lap") {
  Lane lane;
  lane.start_at(kMinRingBytes - kUnitBytes);
  lane.put(1);
  lane.writer.end();
  CHECK(lane.read(/*rest=*/true) == Ticks{1});
  CHECK(lane.header()->start.load() == lane_position(1, 0));
  CHECK(lane.header()->released.load() == lane_position(1, 0));
  CHECK(lane.zeros(kMinRingBytes - kUnitBytes) == kUnitBytes);
}

TEST_CASE("records of the lap before are not read as the next one's") {
  Lane lane;
  // The producer fills the ring to the last, then goes on up to where space was given back.
  uint64_t ticks = 1;
  while (lane.writer.offset() + kEntryBytes + kControlBytes <= kMinRingBytes) lane.put(ticks++);
  CHECK(lane.read().size() == ticks - 1);
  lane.writer.wrap(ticks++);
  uint64_t limit = position_offset(lane.header()->released.load());
  std::vector<uint64_t> written;
  while (lane.writer.offset() + kEntryBytes <= limit - kEntryBytes) {
    written.push_back(ticks);
    lane.put(ticks++);
  }
  CHECK(lane.read() == written);
  CHECK(lane.read() == Ticks{});
}

TEST_CASE("a wrap never leads to what was read before") {
  // No producer of ours writes this: its records would lie in space that was not given back.
  Lane lane;
  for (uint64_t ticks = 1; ticks <= 500; ticks++) lane.put(ticks);
  lane.writer.wrap(501);
  CHECK(lane.read().size() == 500);
  for (int round = 0; round < 10; round++) CHECK(lane.read() == Ticks{});
  lane.writer.end();
  CHECK(lane.read(/*rest=*/true) == Ticks{});
  CHECK(lane.zeros(0) == kMinRingBytes);
}

TEST_CASE("two wraps within what one look finds") {
  Lane lane;
  lane.start_at(kMinRingBytes - 10 * kEntryBytes);
  lane.put(1);
  lane.writer.wrap(2);
  for (uint64_t ticks = 3; ticks < 900; ticks++) lane.put(ticks);
  lane.writer.wrap(900);
  CHECK(lane.read().size() == 898);
  // The third lap begins where the second began, and that is given back first.
  CHECK(lane.read() == Ticks{});
  uint64_t released = lane.header()->released.load();
  CHECK(position_lap(released) == 1);
  CHECK(lane.zeros(0) >= position_offset(released));
  CHECK(lane.zeros(kMinRingBytes - 10 * kEntryBytes) == 10 * kEntryBytes);
  lane.put(901);
  lane.put(902);
  CHECK(lane.read() == Ticks{901, 902});
}

TEST_CASE("a start between two units is taken for the one that it is in") {
  Lane lane;
  lane.header()->start.store(lane_position(3, 1000 * kUnitBytes + 5));
  lane.header()->released.store(lane_position(3, 1000 * kUnitBytes));
  lane.reader = std::make_unique<LaneReader>(lane.view.get(), 1, &lane.memory);
  lane.writer.move_to(1000 * kUnitBytes);
  lane.put(1);
  CHECK(lane.read() == Ticks{1});
}

TEST_CASE("a start that makes no sense is survived") {
  Lane lane;
  for (uint64_t start : {~uint64_t{0}, kOffsetMask, lane_position(7, kMinRingBytes + 1)}) {
    lane.header()->start.store(start);
    LaneReader reader(lane.view.get(), 1, &lane.memory);
    std::vector<Run> runs;
    reader.read(&runs);
    reader.is_stuck();
    reader.read_rest(&runs);
  }
}

TEST_CASE("a producer and a reader at once: every record, in order, over many laps") {
  Lane lane;
  constexpr uint64_t kRecords = 200000;
  std::thread producer([&] {
    for (uint64_t ticks = 1; ticks <= kRecords; ticks++) {
      uint64_t released, offset = lane.writer.offset(), lap = position_lap(lane.writer.position());
      auto full = [&] {
        released = lane.header()->released.load(std::memory_order_acquire);
        if (position_lap(released) == lap) {
          return offset + 2 * kEntryBytes > kMinRingBytes && position_offset(released) < 4096;
        }
        return offset + 2 * kEntryBytes > position_offset(released);
      };
      while (full()) std::this_thread::yield();
      if (offset + 2 * kEntryBytes > kMinRingBytes) lane.writer.wrap(ticks);
      lane.put(ticks);
    }
    lane.writer.end();
  });
  uint64_t expected = 1;
  bool ended = false;
  while (!ended) {
    ended = lane.reader->owner_has_ended();
    for (uint64_t ticks : lane.read(ended)) {
      if (ticks != expected) {
        producer.join();
        FAIL(ticks << " instead of " << expected);
      }
      expected++;
    }
  }
  producer.join();
  CHECK(expected == kRecords + 1);
  CHECK(lane.reader->lost_records() == 0);
}

}  // namespace telinject::test
