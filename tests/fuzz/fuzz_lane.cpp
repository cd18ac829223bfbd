// A lane whose producer does anything at any time, read in rounds as the collector does.
#include <vector>

#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/lane_merge.h"
#include "shim/drain/records/lane_reader.h"
#include "shim/drain/records/segment_view.h"
#include "tests/fuzz/input.h"
#include "tests/unit/drain/segment.h"

using namespace telinject;
using namespace telinject::drain;
using namespace telinject::test;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  TestSegment segment;
  std::string problem;
  std::unique_ptr<SegmentView> view = SegmentView::open(segment.descriptor(), &problem);
  fuzz::require(view != nullptr);
  LaneWriter writer(&segment, 0);
  RecordMemory memory;
  RecordPacker packer;
  RecordUnpacker unpacker;
  ChunkPool pool(view.get());
  auto reader = std::make_unique<LaneReader>(view.get(), 0, &pool, &memory);
  LaneStream stream;
  while (!input.empty()) {
    if (writer.offset() + 4096 > kChunkBytes) writer.next_chunk();
    switch (input.byte() % 12) {
      case 0:
        writer.entry(input.byte(), 1, 2, 3, 4);
        break;
      case 1:
        writer.exit(input.byte(), 1, 2);
        break;
      case 2:
        writer.hole((input.byte() % 64u) * 16);
        break;
      case 3:
        writer.next_chunk();
        break;
      case 4: {
        std::string bytes = input.bytes(input.byte());
        std::memcpy(writer.place(), bytes.data(), bytes.size());
        writer.hole((bytes.size() + 15) / 16 * 16);
        break;
      }
      case 5:
        writer.move_to(input.get<uint16_t>() % (kChunkBytes / 16) * 16);
        break;
      case 6:
        segment.lane(0)->start.store(input.get<uint64_t>());
        break;
      case 7:
        segment.header()->room_wanted.store(input.byte());
        break;
      case 8: {
        std::vector<Run> runs;
        uint8_t how = input.byte();
        reader->read(&runs, how % 2 == 0 ? &packer : nullptr,
                     how % 4 < 2 ? LaneReader::Take::kAll : LaneReader::Take::kComplete);
        reader->read_until(1000);
        for (const Run& run : runs) stream.append(unpacked(run, &unpacker, &memory));
        if (reader->is_stuck()) reader->skip_hole();
        break;
      }
      case 9: {
        std::vector<Run> runs;
        reader->read_rest(&runs, nullptr);
        for (Run& run : runs) stream.append(std::move(run));
        reader = std::make_unique<LaneReader>(view.get(), 0, &pool, &memory);
        writer = LaneWriter(&segment, 0);
        break;
      }
      case 10: {
        auto* entry =
            reinterpret_cast<std::byte*>(segment.entry(input.byte() % segment.chunk_count()));
        uint64_t value = input.byte() % 2 == 0 ? input.byte() : input.get<uint64_t>();
        std::memcpy(entry + input.byte() % (sizeof(ChunkEntry) - 7), &value, sizeof value);
        break;
      }
      case 11:
        pool.trim(input.byte() % 8u);
        break;
    }
    uint64_t last = 0;
    while (stream.peek() != nullptr) {
      fuzz::require(stream.ticks() >= last);
      last = stream.ticks();
      fuzz::require(position_offset(stream.position()) <= kChunkBytes - kUnitBytes);
      stream.next();
    }
  }
  return 0;
}
