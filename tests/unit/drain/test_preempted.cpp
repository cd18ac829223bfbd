// Preemptions travel in a shadow lane, and are taken out of the calls that were open.
#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "shim/drain/records/shadow_lane.h"
#include "tests/unit/drain/program.h"

namespace telinject::test::preempted_test {
using namespace drain;
namespace {

// One lane's calls a( b() c() ) and what the drain knows besides, through a queue and a processor.
std::map<std::string, nlohmann::json> exits_with(std::vector<std::pair<uint64_t, uint64_t>> off) {
  RecordMemory memory;
  BatchQueue queue(64 << 20, nullptr);
  auto info = std::make_shared<SegmentInfo>();
  info->key = {1, 2};
  info->pid = kTestOsPid;
  info->clock = ClockKind::kMonotonic;
  Batch first;
  Notice opened(Notice::Kind::kSegmentOpened);
  opened.segment = 1;
  opened.os_pid = kTestOsPid;
  opened.info = info;
  first.notices.push_back(opened);
  queue.push(std::move(first));

  TestSegment segment;
  LaneWriter lane(&segment, 0);
  ThreadMessage thread = {};
  thread.pid = thread.tid = kTestOsPid;
  thread.process = 7;
  thread.stack_lo = 0x7ffe00000000;
  thread.stack_hi = 0x7ffe00100000;
  lane.message(1000, MessageType::kThread, &thread, sizeof thread);
  lane.control(10000, ControlKind::kRoot, 0, 1, 0x7ffe000ff000);
  lane.entry(10000, 0xa000, 0x1, 0x7ffe000ff000, 0xa004);
  lane.entry(20000, 0xb000, 0x2, 0x7ffe000fe000, 0xb004);
  lane.exit(30000, 0xb000, 0x7ffe000fe000);
  lane.entry(40000, 0xc000, 0x3, 0x7ffe000fe000, 0xc004);
  lane.exit(50000, 0xc000, 0x7ffe000fe000);
  lane.exit(60000, 0xa000, 0x7ffe000ff000);
  Batch batch;
  batch.watermark = 70000;
  batch.runs.push_back({1, 0, {0, memory.copy(segment.chunk(lane.chunk()), lane.offset())}});
  std::vector<uint64_t> words;
  for (auto [ticks, ns] : off) {
    words.insert(words.end(),
                 {ticks, control_word(ControlKind::kPreempted, 0), ns | kSecondUnit, 0});
  }
  if (!words.empty()) {
    auto* bytes = reinterpret_cast<const std::byte*>(words.data());
    batch.runs.push_back({1, shadow_lane(0), {0, memory.copy(bytes, words.size() * 8)}});
  }
  queue.push(std::move(batch));
  Batch last;
  last.watermark = 80000;
  last.notices.emplace_back(Notice::Kind::kLastWords);
  queue.push(std::move(last));

  std::string lines;
  std::atomic<uint64_t> progress{0};
  ClockKeeper clock(ClockKind::kMonotonic);
  Processor::Options options;
  options.metadata.service = {"shop", "1", "dev"};
  Processor processor(&queue, &clock, memory_output(&lines), std::move(options),
                      {[](SegmentId, int) {}, [] {}, &progress});
  processor.run();
  std::map<std::string, nlohmann::json> exits;
  const char* names[] = {"b", "c", "a"};  // as they are left
  size_t left = 0;
  for (size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
    auto event = nlohmann::json::parse(lines.substr(at, lines.find('\n', at) - at));
    if (event["event_type"] == "function_exit") exits[names[left++]] = event;
  }
  REQUIRE(left == 3);
  return exits;
}

int64_t off_of(const nlohmann::json& exit) {
  return exit["attributes"].value("telinject.preempted_ns", int64_t{0});
}

}  // namespace

TEST_CASE("without preemptions a duration is what lies between the events") {
  auto exits = exits_with({});
  CHECK(exits["a"]["duration_ns"] == 50000);
  CHECK(exits["b"]["duration_ns"] == 10000);
  CHECK(off_of(exits["a"]) == 0);
}

TEST_CASE("a preemption is taken out of the calls that were open, and of no other") {
  auto exits = exits_with({{28000, 5000}, {38000, 2000}});
  CHECK(exits["b"]["duration_ns"] == 5000);
  CHECK(off_of(exits["b"]) == 5000);
  CHECK(exits["c"]["duration_ns"] == 10000);
  CHECK(off_of(exits["c"]) == 0);
  CHECK(exits["a"]["duration_ns"] == 43000);
  CHECK(off_of(exits["a"]) == 7000);
}

TEST_CASE("one whose ends the conversion of clocks has moved counts where its middle is") {
  auto exits = exits_with({{30010, 5000}});
  CHECK(off_of(exits["b"]) == 5000);
  exits = exits_with({{45010, 5020}});
  CHECK(off_of(exits["b"]) == 0);
  CHECK(off_of(exits["c"]) == 5010);  // no more than it has lasted by then
}

TEST_CASE("one that says it is longer than the call takes no more than the call") {
  auto exits = exits_with({{55000, 1000000}});
  CHECK(exits["a"]["duration_ns"] >= 0);
}

}  // namespace telinject::test::preempted_test
