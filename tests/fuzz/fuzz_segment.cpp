// A segment of any content, through SegmentView, Collector, LaneReader and Processor: the program
// can write all of it, so the drain has to survive all of it, and what it writes must be JSON.
//
// The input is a list of steps, for plain bytes would seldom be a record. Any step may also write
// raw bytes anywhere, headers included.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/fuzz/events.h"
#include "tests/fuzz/input.h"
#include "tests/unit/drain/test_drain.h"

using namespace telinject;
using namespace telinject::test;

namespace {

constexpr uint32_t kLanes = 4;
constexpr size_t kMaxSteps = 2000;

enum Step : uint8_t {
  kEntryStep,
  kExitStep,
  kControlStep,
  kThreadStep,
  kMessageStep,
  kRawStep,
  kLaneHeaderStep,
  kHeaderStep,
  kHoleStep,
  kNextChunkStep,
  kEndStep,
  kStartStep,
  kChunkEntryStep,
  kProcessEndStep,
  kModuleStep,
  kStepCount,
};

struct Player {
  explicit Player(fuzz::Input* steps) : input(steps) {
    for (uint32_t lane = 0; lane < kLanes; lane++) lanes.emplace_back(&segment, lane);
  }

  LaneWriter& lane() {
    number = input->byte() % kLanes;
    LaneWriter& writer = lanes[number];
    // Messages are 7 KB at most.
    if (writer.offset() + 16384 > kChunkBytes) writer.next_chunk();
    return writer;
  }
  std::byte* lane_header() { return reinterpret_cast<std::byte*>(segment.lane(number)); }
  uint64_t now() { return ticks += input->byte(); }
  uint64_t sp() { return 0x7ffe000ff000 - input->byte() * 16u; }

  void step() {
    switch (input->byte() % kStepCount) {
      case kEntryStep: {
        uint64_t function = 0x401000 + input->byte() % 8u;
        lane().entry(now(), function, 0x402000 + input->byte() % 8u, sp(),
                     0x401000 + input->byte());
        break;
      }
      case kExitStep: {
        uint64_t function = 0x401000 + input->byte() % 8u;
        lane().exit(now(), function, sp());
        break;
      }
      case kControlStep: {
        auto kind = static_cast<ControlKind>(input->byte() % 20);
        uint64_t a = input->get<uint16_t>(), b = input->get<uint64_t>(), c = input->get<uint64_t>();
        lane().control(now(), kind, a, b, c);
        break;
      }
      case kThreadStep: {
        ThreadMessage message = {};
        message.pid = input->byte() % 8 == 0 ? input->get<int32_t>() : kTestOsPid;
        message.tid = input->get<int16_t>();
        message.process = input->byte() % 4u;
        message.parent_process = input->byte() % 4u;
        message.context.valid = input->byte() % 2;
        message.context.trace_hi = message.context.trace_lo = message.context.span_id =
            input->byte();
        message.spawned_by.segment = segment.header()->key[0];
        message.spawned_by.position = input->get<uint16_t>();
        message.spawned_by.lane = input->byte() % kLanes;
        message.stack_lo = 0x7ffe00000000 + (input->byte() % 4u) * 0x1000000;
        message.stack_hi = message.stack_lo + 0x100000;
        std::memcpy(message.name, input->bytes(16).data(), 1);
        lane().message(now(), MessageType::kThread, &message, sizeof message);
        break;
      }
      case kMessageStep: {
        auto type = static_cast<MessageType>(input->byte() % 6);
        std::string bytes = input->bytes(input->get<uint16_t>() % (kMaxMessageBytes + 10));
        lane().message(now(), type, bytes.data(), bytes.size());
        break;
      }
      case kModuleStep: {
        ModuleMessage message = {};
        message.start = 0x400000 + input->byte() * 0x1000u;
        message.end = message.start + input->byte() * 0x1000u;
        message.build_id_bytes = input->get<uint32_t>();
        std::string bytes(reinterpret_cast<const char*>(&message), sizeof message);
        bytes += input->bytes(input->byte());
        lane().message(now(), MessageType::kModule, bytes.data(), bytes.size());
        break;
      }
      case kRawStep: {
        LaneWriter& writer = lane();
        std::string bytes = input->bytes(input->byte());
        std::memcpy(writer.place(), bytes.data(), bytes.size());
        writer.hole((bytes.size() + 15) / 16 * 16);
        break;
      }
      case kLaneHeaderStep: {
        lane();
        size_t at = input->get<uint16_t>() % (sizeof(LaneHeader) - 7);
        uint64_t value = input->get<uint64_t>();
        std::memcpy(lane_header() + at, &value, sizeof value);
        break;
      }
      case kHeaderStep: {
        // Mostly behind what is checked when the segment is opened.
        size_t from = input->byte() % 8 == 0 ? 0 : offsetof(SegmentHeader, claimed);
        size_t at = from + input->get<uint16_t>() % (sizeof(SegmentHeader) - 7 - from);
        uint64_t value = input->get<uint64_t>();
        std::memcpy(segment.bytes() + at, &value, sizeof value);
        break;
      }
      case kHoleStep:
        lane().hole((input->byte() % 8u) * 16);
        break;
      case kNextChunkStep:
        lane().next_chunk();
        break;
      case kEndStep:
        lane().end();
        break;
      case kStartStep: {
        lane();
        segment.lane(number)->start.store(input->get<uint64_t>());
        break;
      }
      case kChunkEntryStep: {
        auto* entry =
            reinterpret_cast<std::byte*>(segment.entry(input->byte() % segment.chunk_count()));
        uint64_t value = input->byte() % 2 == 0 ? input->byte() : input->get<uint64_t>();
        std::memcpy(entry + input->byte() % (sizeof(ChunkEntry) - 7), &value, sizeof value);
        break;
      }
      case kProcessEndStep: {
        int pid = input->byte() % 4 == 0 ? input->get<int32_t>() : kTestOsPid;
        ends.push_back({pid, {input->byte() % 2 == 0, input->get<uint16_t>()}});
        break;
      }
    }
  }

  fuzz::Input* input;
  TestSegment segment{kLanes};
  std::vector<LaneWriter> lanes;
  std::vector<std::pair<int, ProcessEnd>> ends;
  uint32_t number = 0;
  uint64_t ticks = 1000;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  Player player(&input);
  for (size_t steps = 0; !input.empty() && steps < kMaxSteps; steps++) player.step();
  player.ends.push_back({kTestOsPid, {true, 0}});
  DrainRun run = test::drain(&player.segment, player.ends);
  fuzz::check_events(run.lines, [](const nlohmann::json&) {});
  return 0;
}
