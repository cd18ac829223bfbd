// What is over is forgotten: children and threads that have ended, code that comes and goes. The
// processor's saved state holds all that it remembers, so its size tells.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/drain/test_drain.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::forgetting_test {
using namespace drain;
namespace {

using nlohmann::json;

constexpr uint64_t kTopOfStack = 0x7ffe000ff000;
constexpr SegmentId kSegment = 1;

class NoSink final : public Sink {
 public:
  uint64_t write(std::string_view lines) override {
    bytes_written_ += lines.size();
    return 0;
  }
  std::string describe() const override { return "nothing"; }
};

// Records of one lane.
class Records {
 public:
  void entry(uint64_t ticks, uint64_t function, uint64_t call_site) {
    put({ticks, function, call_site | kSecondUnit,
         (kTopOfStack & 0xffffffff) | (function + 4) << 32});
  }
  void exit(uint64_t ticks, uint64_t function) {
    put({ticks | kExitBit, (function & 0xffffffff) | kTopOfStack << 32});
  }
  void control(uint64_t ticks, ControlKind kind, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0) {
    put({ticks, control_word(kind, a), (b & kTicksMask) | kSecondUnit, c});
  }
  void message(uint64_t ticks, MessageType type, std::string bytes) {
    control(ticks, ControlKind::kMessage, static_cast<uint64_t>(type), bytes.size());
    bytes.resize((message_records(bytes.size()) - 1) * kMessageDataBytes);
    for (size_t at = 0; at < bytes.size(); at += kMessageDataBytes) {
      uint64_t a = 0, b = 0, c = 0;
      std::memcpy(&a, &bytes[at], 6);
      std::memcpy(&b, &bytes[at + 6], 7);
      std::memcpy(&c, &bytes[at + 13], 8);
      control(ticks, ControlKind::kMessageData, a, b, c);
    }
  }
  Run take(RecordMemory* memory) {
    size_t bytes = words_.size() * sizeof(uint64_t);
    Run run = {position_, memory->copy(reinterpret_cast<const std::byte*>(words_.data()), bytes)};
    position_ += bytes;
    words_.clear();
    return run;
  }

 private:
  void put(std::initializer_list<uint64_t> words) { words_.insert(words_.end(), words); }

  std::vector<uint64_t> words_;
  uint64_t position_ = 0;
};

template <typename T>
std::string bytes_of(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// A processor, and a program whose first thread writes lane 0.
struct Drained {
  RecordMemory memory;
  BatchQueue queue{64 << 20, nullptr};
  std::atomic<uint64_t> progress{0};
  ClockKeeper clock{ClockKind::kMonotonic};
  Workshop workshop;
  std::string totals = workshop.path("totals");
  std::unique_ptr<Processor> processor;
  // Later than any file here was written.
  uint64_t ticks = ClockMap::now(ClockKind::kMonotonic) + 1000000000000;
  Batch batch;
  Records main;

  Drained() {
    EventOutputs outputs;
    outputs.push_back(
        std::make_unique<JsonLines>(std::make_unique<NoSink>(), JsonLines::Options{}));
    Processor::Options options;
    options.replay = true;
    std::string problem;
    options.totals = DocumentFile::open(totals, &problem);
    processor =
        std::make_unique<Processor>(&queue, &clock, std::move(outputs), std::move(options),
                                    Processor::Hooks{[](SegmentId, int) {}, [] {}, &progress});
    Notice opened(Notice::Kind::kSegmentOpened);
    opened.segment = kSegment;
    opened.os_pid = kTestOsPid;
    auto info = std::make_shared<SegmentInfo>();
    info->key = {1, 2};
    info->pid = kTestOsPid;
    opened.info = std::move(info);
    batch.notices.push_back(std::move(opened));
    pass();
    begin(&main, 1, 0, kTestOsPid);
  }

  void begin(Records* lane, uint64_t process, uint64_t parent, int pid) {
    ThreadMessage message = {};
    message.pid = pid;
    message.tid = pid;
    message.process = process;
    message.parent_process = parent;
    message.stack_lo = 0x7ffe00000000;
    message.stack_hi = 0x7ffe00100000;
    lane->message(++ticks, MessageType::kThread, bytes_of(message));
  }
  void call(Records* lane, uint64_t function, uint64_t call_site) {
    lane->entry(++ticks, function, call_site);
    lane->exit(++ticks, function);
  }
  void add(uint32_t lane, Records* records) {
    batch.runs.push_back({kSegment, lane, records->take(&memory)});
  }
  Notice* tell(Notice::Kind kind) {
    Notice& notice = batch.notices.emplace_back(kind);
    notice.segment = kSegment;
    notice.ticks = ++ticks;
    return &notice;
  }
  void end_lane(uint32_t lane) { tell(Notice::Kind::kLaneEnded)->lane = lane; }
  void pass() {
    batch.watermark = ++ticks;
    processor->replay(std::exchange(batch, {}));
  }
  // A forked child that makes a call, on lane 1.
  void fork(uint64_t process, uint64_t parent) {
    Records child;
    begin(&child, process, parent, pid_of(process));
    call(&child, 0x40, 0x5000);
    add(1, &child);
    pass();
    end_lane(1);
    pass();
  }
  static int pid_of(uint64_t process) { return static_cast<int>(process % 30000) + 10000; }
  void be_waited_for(uint64_t process) {
    main.control(++ticks, ControlKind::kChildEnded, static_cast<uint64_t>(pid_of(process)) << 16);
    add(0, &main);
    // What the kernel tells of it comes, too, and nothing new.
    tell(Notice::Kind::kProcessEnded)->os_pid = pid_of(process);
    pass();
  }
  size_t remembered() { return processor->save().size(); }
  json rows() {
    processor->finish_replay();
    std::ifstream file(totals);
    return json::parse(file)["functions"];
  }
};

// What is remembered at most in the second half of `count` steps is what was in the first.
template <typename Step>
void stays_as_small(Drained* drained, uint64_t count, Step&& step) {
  size_t before = 0, after = 0;
  for (uint64_t i = 0; i < count; i++) {
    step(i);
    size_t* most = i < count / 2 ? &before : &after;
    *most = std::max(*most, drained->remembered());
  }
  CHECK(after < before + 2000);
}

}  // namespace

TEST_CASE("forked children that were waited for are forgotten") {
  Drained d;
  d.add(0, &d.main);
  stays_as_small(&d, 400, [&](uint64_t i) {
    d.fork(100 + i, 1);
    d.be_waited_for(100 + i);
  });
  json rows = d.rows();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["calls"] == 400);
}

TEST_CASE("so are those whose end the collector sees, however they ended") {
  for (ProcessEnd end : {ProcessEnd{true, 0}, ProcessEnd{true, 9}, ProcessEnd{}}) {
    Drained d;
    d.add(0, &d.main);
    stays_as_small(&d, 400, [&](uint64_t i) {
      d.fork(100 + i, 1);
      Notice* ended = d.tell(Notice::Kind::kProcessEnded);
      ended->os_pid = Drained::pid_of(100 + i);
      ended->end = end;
      d.pass();
      // A while later, where nobody says more.
      d.ticks += 50000000;
      d.pass();
    });
  }
}

TEST_CASE("a child of one that is forgotten has the code that its parent had") {
  Drained d;
  d.workshop.write("lib.c", "int leaf(int value) { return value + 1; }\n");
  d.workshop.run("gcc -g -finstrument-functions -shared -fPIC lib.c -o lib.so");
  std::string symbol = d.workshop.run("nm lib.so | grep ' leaf$'").substr(0, 16);
  constexpr uint64_t kBase = 0x7f0000000000;
  uint64_t leaf = kBase + std::stoull(symbol, nullptr, 16);
  d.add(0, &d.main);
  // The child loads a library, forks, and ends.
  Records child;
  d.begin(&child, 100, 1, Drained::pid_of(100));
  ModuleMessage module = {};
  module.start = kBase;
  module.end = kBase + 0x100000;
  child.message(++d.ticks, MessageType::kModule, bytes_of(module) + d.workshop.path("lib.so"));
  d.add(1, &child);
  d.pass();
  d.end_lane(1);
  d.pass();
  d.be_waited_for(100);
  for (int i = 0; i < 3; i++) d.pass();
  Records grandchild;
  d.begin(&grandchild, 101, 100, Drained::pid_of(101));
  d.call(&grandchild, leaf, leaf + 64);
  d.add(1, &grandchild);
  d.pass();
  json rows = d.rows();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0]["function_name"] == "leaf");
}

TEST_CASE("threads that have ended are forgotten") {
  Drained d;
  d.add(0, &d.main);
  stays_as_small(&d, 400, [&](uint64_t i) {
    Records thread;
    d.begin(&thread, 1, 0, static_cast<int>(20000 + i));
    d.call(&thread, 0x40, 0x5000);
    d.add(1, &thread);
    d.end_lane(1);
    d.pass();
  });
}

TEST_CASE("functions in no module share a row and what is known of them, once they are many") {
  constexpr uint64_t kRounds = 120, kEach = 1000;
  Drained d;
  uint64_t address = 0x100000000000;
  stays_as_small(&d, kRounds, [&](uint64_t) {
    for (uint64_t i = 0; i < kEach; i++) {
      address += 64;
      d.call(&d.main, address, address + 8);
    }
    d.add(0, &d.main);
    d.pass();
  });
  uint64_t calls = 0, shared = 0;
  for (const json& row : d.rows()) {
    calls += row["calls"].get<uint64_t>();
    if (row["function_name"] == std::string(TotalsTable::kAnonymous)) shared = row["calls"];
  }
  CHECK(calls == kRounds * kEach);
  CHECK(shared == kRounds * kEach - TotalsTable::kMostAnonymous);
}

TEST_CASE("an open call stays what it is while others in no module are forgotten") {
  Drained d;
  d.main.entry(++d.ticks, 0x100000000040, 0x100000000050);
  uint64_t address = 0x200000000000;
  for (uint64_t i = 0; i < 3 * SiteCache::kMostPassing; i++) {
    address += 64;
    d.main.entry(++d.ticks, address, address + 8);
    d.main.exit(++d.ticks, address);
    if (i % 1000 != 0) continue;
    d.add(0, &d.main);
    d.pass();
  }
  d.main.exit(++d.ticks, 0x100000000040);
  d.add(0, &d.main);
  d.pass();
  bool found = false;
  for (const json& row : d.rows()) found = found || row["function_name"] == "0x100000000040";
  CHECK(found);
}

TEST_CASE("unloaded modules are forgotten, the totals of their functions go on by name") {
  constexpr uint64_t kCopies = 400, kBase = 0x7f0000000000;
  Drained d;
  d.workshop.write("lib.c", "int leaf(int value) { return value + 1; }\n");
  d.workshop.run("gcc -g -finstrument-functions -shared -fPIC lib.c -o lib.so");
  std::string symbol = d.workshop.run("nm lib.so | grep ' leaf$'").substr(0, 16);
  uint64_t leaf = kBase + std::stoull(symbol, nullptr, 16);
  stays_as_small(&d, kCopies, [&](uint64_t i) {
    std::string folder = d.workshop.path("copy" + std::to_string(i));
    std::filesystem::create_directory(folder);
    std::filesystem::copy_file(d.workshop.path("lib.so"), folder + "/lib.so");
    ModuleMessage module = {};
    module.start = kBase;
    module.end = kBase + 0x100000;
    d.main.message(++d.ticks, MessageType::kModule, bytes_of(module) + folder + "/lib.so");
    d.call(&d.main, leaf, leaf + 64);
    ModuleGoneMessage gone = {module.start, module.end};
    d.main.message(++d.ticks, MessageType::kModuleGone, bytes_of(gone));
    d.add(0, &d.main);
    d.pass();
  });
  uint64_t calls = 0;
  json rows = d.rows();
  for (const json& row : rows) {
    CHECK(row["function_name"] == "leaf");
    CHECK(row["module"] == "lib.so");
    calls += row["calls"].get<uint64_t>();
  }
  CHECK(calls == kCopies);
  CHECK(rows.size() <= 2 * ModuleCache::kMostUnmapped + 1);
}

}  // namespace telinject::test::forgetting_test
