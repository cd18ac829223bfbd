// The consuming side of a lane: what is read, in what order, and what is given back.
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "segment.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/lane_merge.h"
#include "shim/drain/records/lane_reader.h"
#include "shim/drain/records/segment_view.h"

namespace telinject::test::lane_reader_test {
using namespace drain;
namespace {

struct Lane {
  TestSegment segment{2, 16};
  RecordMemory memory;
  std::unique_ptr<SegmentView> view;
  std::unique_ptr<ChunkPool> pool;
  LaneWriter writer{&segment, 1};
  std::unique_ptr<LaneReader> reader;

  Lane() {
    std::string problem;
    view = SegmentView::open(segment.descriptor(), &problem);
    REQUIRE(problem == "");
    pool = std::make_unique<ChunkPool>(view.get());
    reader = new_reader();
  }
  std::unique_ptr<LaneReader> new_reader() {
    return std::make_unique<LaneReader>(view.get(), 1, pool.get(), &memory);
  }
  LaneHeader* header() { return segment.lane(1); }

  // Ticks of what is there, read by the reader and walked through as the drain does.
  std::vector<uint64_t> read(bool rest = false) {
    std::vector<Run> runs;
    RecordPacker* how = packs ? &packer : nullptr;
    size_t bytes =
        rest ? reader->read_rest(&runs, how) : reader->read(&runs, how, LaneReader::Take::kAll);
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
  // So many entries, which fill the chunk as far as a producer goes.
  uint64_t fill_chunk(uint64_t ticks) {
    while (writer.offset() + kEntryBytes <= kChunkBytes - kSpillBytes) put(ticks++);
    return ticks;
  }
  bool is_zero(uint32_t chunk) {
    const std::byte* bytes = segment.chunk(chunk);
    return std::all_of(bytes, bytes + kChunkBytes, [](std::byte b) { return b == std::byte{0}; });
  }
  // Chunks on the stack of free ones.
  std::vector<uint32_t> free_chunks() {
    std::vector<uint32_t> chunks;
    auto next = static_cast<uint32_t>(segment.header()->free_chunks.load());
    for (; next != 0; next = segment.entry(next - 1)->free.load()) chunks.push_back(next - 1);
    return chunks;
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
  lane.reader->read(&runs, lane.packs ? &lane.packer : nullptr, LaneReader::Take::kAll);
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

TEST_CASE("a hole behind which the program has used up its room is skipped, and counted") {
  Lane lane;
  lane.put(1);
  lane.writer.hole(kEntryBytes);
  uint64_t ticks = lane.fill_chunk(2);
  lane.writer.next_chunk();
  uint32_t chunk = lane.writer.chunk();
  lane.put(ticks++);
  CHECK(lane.read() == Ticks{1});
  CHECK_FALSE(lane.reader->is_stuck());
  lane.segment.header()->entry_chunks.store(2);
  REQUIRE(lane.reader->is_stuck());
  lane.reader->skip_hole();
  CHECK_FALSE(lane.reader->is_stuck());
  CHECK(lane.reader->lost_records() == 1);
  CHECK(lane.read().size() == ticks - 2);
  // The hook that reserved it may write there yet: others do not get the chunk while it lives.
  for (int i = 0; i < 2; i++) {
    lane.writer.next_chunk();
    lane.put(ticks++);
    lane.read();
  }
  CHECK(lane.free_chunks() == std::vector<uint32_t>{chunk});
}

TEST_CASE("half a record at the edge of a hole is no record") {
  Lane lane;
  lane.put(1);
  // A hook was interrupted after its second unit's words were stored, before its first.
  auto* words = reinterpret_cast<uint64_t*>(lane.writer.place());
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

TEST_CASE("a chunk that is written to is left alone if only complete ones are wanted") {
  Lane lane;
  std::vector<Run> runs;
  lane.put(1);
  CHECK(lane.reader->read(&runs, nullptr, LaneReader::Take::kComplete) == 0);
  CHECK(lane.reader->read_until(100) == 1);
  lane.writer.next_chunk();
  lane.put(2);
  CHECK(lane.reader->read(&runs, nullptr, LaneReader::Take::kComplete) == kEntryBytes);
  CHECK(lane.reader->read_until(100) == 2);
  CHECK(lane.read() == Ticks{2});
  CHECK(lane.reader->read_until(100) == 100);
}

TEST_CASE("records go on in the next chunk, at positions that only grow") {
  Lane lane;
  uint64_t first = lane.put(1);
  lane.writer.next_chunk();
  uint64_t second = lane.put(2);
  CHECK(lane.read() == Ticks{1, 2});
  CHECK(lane.positions[1] == first);
  CHECK(lane.positions[2] == second);
  CHECK(position_number(second) == position_number(first) + 1);
  CHECK(position_offset(second) == 0);
  CHECK(lane.header()->taken.load() == 1);
}

TEST_CASE("records run on into the spill, up to the chunk's end") {
  Lane lane;
  lane.writer.move_to(0);
  uint64_t ticks = lane.fill_chunk(1);
  while (lane.writer.offset() < kChunkBytes) lane.put(ticks++);
  lane.writer.next_chunk();
  lane.put(ticks++);
  CHECK(lane.read().size() == ticks - 1);
}

TEST_CASE("of many chunks so many are read at once") {
  Lane lane;
  std::vector<Run> runs;
  for (uint64_t i = 0; i < 15; i++) {
    lane.put(i + 1);
    lane.writer.next_chunk();
  }
  CHECK(lane.reader->unread_chunks() == 0);  // before it has begun
  lane.reader->read(&runs, nullptr, LaneReader::Take::kComplete);
  CHECK(runs.size() == 15);
  CHECK(lane.reader->unread_chunks() == 0);
}

TEST_CASE("a chunk is zeroed and given back once the one behind it is read, too") {
  Lane lane;
  uint32_t first = lane.writer.chunk();
  uint64_t ticks = lane.fill_chunk(1);
  lane.writer.next_chunk();
  uint32_t second = lane.writer.chunk();
  ticks = lane.fill_chunk(ticks);
  lane.read();
  // The program walks back over the last two to find its current span.
  CHECK(lane.free_chunks().empty());
  CHECK_FALSE(lane.is_zero(first));
  lane.writer.next_chunk();
  lane.put(ticks);
  lane.read();
  CHECK(lane.free_chunks() == std::vector<uint32_t>{first});
  CHECK(lane.is_zero(first));
  CHECK_FALSE(lane.is_zero(second));
  CHECK(lane.segment.header()->chunks_in_use.load() == 2);
  // What was given back last comes first.
  CHECK(lane.segment.take_chunk() == first);
}

TEST_CASE("producers that wait are woken when a chunk is given back") {
  Lane lane;
  SegmentHeader* header = lane.segment.header();
  lane.put(1);
  lane.writer.next_chunk();
  lane.put(2);
  header->room_wanted.store(1);
  lane.read();
  CHECK(header->room_futex.load() == 0);
  lane.writer.next_chunk();
  lane.put(3);
  lane.read();
  CHECK(header->room_futex.load() == 1);
  CHECK(header->room_wanted.load() == 0);
  lane.writer.next_chunk();
  lane.put(4);
  lane.read();
  CHECK(header->room_futex.load() == 1);  // no one waits
}

TEST_CASE("memory of free chunks goes back to the system, but for those that come next") {
  Lane lane;
  uint64_t ticks = 1;
  for (int i = 0; i < 8; i++) {
    ticks = lane.fill_chunk(ticks);
    lane.writer.next_chunk();
  }
  lane.put(ticks);
  lane.read();
  std::vector<uint32_t> before = lane.free_chunks();
  REQUIRE(before.size() == 7);
  auto memory = [&] {
    struct stat status = {};
    int fd = lane.segment.descriptor();
    fstat(fd, &status);
    close(fd);
    return status.st_blocks * 512;
  };
  auto full = memory();
  lane.pool->trim(3);
  CHECK(lane.free_chunks() == before);
  CHECK(full - memory() == 4 * (kChunkBytes - kSpillBytes));
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
  CHECK(lane.header()->start.load() == 1);
  CHECK(lane.header()->first_chunk.load() == 0);
  CHECK(lane.free_chunks() == std::vector<uint32_t>{lane.writer.chunk()});
  CHECK(lane.is_zero(lane.writer.chunk()));
  CHECK(lane.segment.header()->chunks_in_use.load() == 0);
}

TEST_CASE("the next owner goes on where the last one ended, and positions never repeat") {
  Lane lane;
  lane.put(1);
  lane.writer.end();
  lane.read(/*rest=*/true);
  LaneWriter next(&lane.segment, 1);
  uint64_t position = next.entry(2, 0x1000, 0x2000, 0x7000, 0x1004);
  CHECK(position == lane_position(1, 0));
  std::unique_ptr<LaneReader> reader = lane.new_reader();
  std::vector<Run> runs;
  CHECK(reader->read(&runs, nullptr, LaneReader::Take::kAll) == kEntryBytes);
  CHECK(runs.at(0).position == position);
}

TEST_CASE("an owner that ended within a long chain has all of it read, and given back") {
  Lane lane;
  uint64_t ticks = 1;
  for (int i = 0; i < 14; i++) {
    ticks = lane.fill_chunk(ticks);
    if (i == 7) lane.writer.hole(kEntryBytes);
    lane.writer.next_chunk();
  }
  lane.put(ticks++);
  lane.writer.end();
  CHECK(lane.read(/*rest=*/true).size() == ticks - 1);
  CHECK(lane.reader->lost_records() == 1);
  CHECK(lane.free_chunks().size() == 15);
  CHECK(lane.segment.header()->chunks_in_use.load() == 0);
}

TEST_CASE("a chunk that a thread was taking when it ended is given back") {
  Lane lane;
  lane.put(1);
  uint32_t taken = lane.segment.take_chunk();
  lane.segment.entry(taken)->lane.store(1);
  lane.segment.entry(taken)->number.store(1);
  lane.header()->taking.store(taken + 1);
  lane.writer.end();
  CHECK(lane.read(/*rest=*/true) == Ticks{1});
  CHECK(lane.free_chunks().size() == 2);
}

TEST_CASE("a chain that makes no sense is left, and counted") {
  Lane lane;
  lane.put(1);
  lane.writer.next_chunk();
  lane.put(2);
  ChunkEntry* first = lane.segment.entry(0);
  SECTION("to a chunk that is not there") {
    first->next.store(~0u);
  }
  SECTION("to one of another lane") {
    lane.segment.entry(lane.writer.chunk())->lane.store(0);
  }
  SECTION("to one with another number") {
    lane.segment.entry(lane.writer.chunk())->number++;
  }
  SECTION("to itself") {
    first->next.store(0);
  }
  CHECK(lane.read() == Ticks{1});
  CHECK(lane.reader->is_broken());
  CHECK(lane.reader->lost_records() == 1);
  lane.writer.end();
  CHECK(lane.read(/*rest=*/true) == Ticks{});
}

TEST_CASE("numbers and ends that make no sense are survived") {
  Lane lane;
  lane.put(1);
  for (uint64_t open : {~uint64_t{0}, uint64_t{1} << 40, uint64_t{17}}) {
    lane.header()->open.store(open);
    lane.read();
  }
  for (uint32_t end : {~0u, 5u, 0u, kChunkBytes + 16}) {
    lane.segment.entry(0)->end.store(end);
    lane.segment.entry(0)->next.store(0);
    lane.header()->open.store(1);
    lane.read();
    lane.reader->is_stuck();
  }
  lane.header()->first_chunk.store(~0u);
  std::vector<Run> runs;
  lane.new_reader()->read_rest(&runs, nullptr);
  lane.segment.header()->free_chunks.store(~0u);
  lane.pool->trim(0);
  lane.segment.header()->free_chunks.store(1);
  lane.segment.entry(0)->free.store(1);  // a loop
  lane.pool->trim(0);
}

TEST_CASE("a producer and a reader at once: every record, in order, over many chunks") {
  Lane lane;
  constexpr uint64_t kRecords = 200000;
  std::thread producer([&] {
    for (uint64_t ticks = 1; ticks <= kRecords; ticks++) {
      if (lane.writer.offset() + kEntryBytes > kChunkBytes - kSpillBytes) {
        while (lane.segment.header()->chunks_in_use.load() > 12) std::this_thread::yield();
        lane.writer.next_chunk();
      }
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

}  // namespace telinject::test::lane_reader_test
