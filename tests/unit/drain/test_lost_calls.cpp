// Where calls were lost: all that was open then says so.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/unit/drain/program.h"
#include "tests/unit/drain/tree.h"

namespace telinject::test::lost_calls_test {
using namespace drain;
namespace {

using nlohmann::json;

constexpr uint64_t kTopOfStack = kStackHi - 0x100;
constexpr uint64_t kOther = 0x10000000, kBytes = 0x10000;

// Function -> telinject.lost_calls of its last exit.
std::map<char, uint64_t> lost_by_function(const DrainRun& run) {
  std::map<char, uint64_t> lost;
  for (const std::string& line : lines_of(run.lines)) {
    json event = json::parse(line);
    if (event["event_type"] != "function_exit") continue;
    std::string name = event["function_name"];
    lost[static_cast<char>(std::stoul(name, nullptr, 16))] =
        event["attributes"].value("telinject.lost_calls", uint64_t{0});
  }
  return lost;
}

}  // namespace

TEST_CASE("calls that were open when others were lost carry the count, their neighbours do not") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  p.enter(&lane, 'b', 1);
  p.leave(&lane, 'b', 1);
  p.enter(&lane, 'c', 1);
  lane.control(++p.ticks, ControlKind::kLost, 0, 0, 5);
  p.enter(&lane, 'd', 2);
  p.leave(&lane, 'd', 2);
  lane.control(++p.ticks, ControlKind::kLost, 0, 0, 7);
  p.leave(&lane, 'c', 1);
  lane.control(++p.ticks, ControlKind::kLost, 0, 0, 1);
  p.leave(&lane, 'a', 0);
  lane.end();
  DrainRun run = drain(&p.segment, {{kTestOsPid, kExited}});
  CHECK(lost_by_function(run) ==
        std::map<char, uint64_t>{{'a', 13}, {'b', 0}, {'c', 12}, {'d', 0}});
}

TEST_CASE("only the innermost call has what was lost in its own time") {
  Tree t;
  Call a = t.call('a', kTopOfStack), b = t.call('b', kTopOfStack - 64);
  t.enter(a);
  t.enter(b);
  t.tree.lost(5);
  t.leave(b);
  CHECK(t.closed_last.lost_calls == 5);
  CHECK(t.closed_last.lost_own_calls == 5);
  t.tree.lost(2);
  t.leave(a);
  CHECK(t.closed_last.lost_calls == 7);
  CHECK(t.closed_last.lost_own_calls == 2);
  t.tree.lost(3);  // nothing is open
  t.tree.root(0, 1, 0);
  t.enter(a);
  t.leave(a);
  CHECK(t.closed_last.lost_calls == 0);
}

TEST_CASE("calls that are lost in a coroutine are lost below whoever resumed it, too") {
  Tree t;
  Call a = t.call('a', kTopOfStack), b = t.call('b', kOther + kBytes - 64);
  t.enter(a);
  t.tree.stack_switch(kOther, kBytes, 0, t.ticks);
  t.tree.lost(1);  // before its first recorded call
  t.enter(b);
  t.tree.lost(5);
  t.leave(b);
  CHECK(t.closed_last.lost_own_calls == 5);
  t.tree.stack_switch(kStackLo, kStackHi - kStackLo, 0, t.ticks);
  t.leave(a);
  CHECK(t.closed_last.lost_calls == 6);
  CHECK(t.closed_last.lost_own_calls == 1);
}

// All that is told of lost calls in the stream: "unknown" where there is no number.
std::vector<std::string> losses_told(const DrainRun& run) {
  std::vector<std::string> told;
  for (const std::string& line : lines_of(run.lines)) {
    json event = json::parse(line);
    if (!event["attributes"].contains("telinject.loss_reason")) continue;
    json calls = event["attributes"].value("telinject.lost_calls", json());
    told.push_back(calls.is_null() ? "unknown" : calls.dump());
  }
  return told;
}

TEST_CASE("calls of a thread that recorded nothing are told, too") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  p.leave(&lane, 'a', 0);
  lane.end();
  LaneWriter other(&p.segment, 1);
  p.segment.lane(1)->lost_calls.store(5);
  other.end();
  DrainRun run = drain(&p.segment, {{kTestOsPid, kExited}});
  CHECK(losses_told(run) == std::vector<std::string>{"5"});
}

TEST_CASE("a program that counts more lost calls than it can have made is not believed") {
  constexpr uint64_t kAny = 2800000000000000000;
  for (int where : {0, 1, 2}) {
    CAPTURE(where);
    Program p;
    p.segment.header()->start_ticks = p.ticks;
    LaneWriter lane = p.thread(0, 1);
    p.enter(&lane, 'a', 0);
    if (where == 0) lane.control(++p.ticks, ControlKind::kLost, 0, 0, kAny);
    if (where == 1) {
      // Each of them is possible.
      for (int i = 0; i < 100; i++) lane.control(++p.ticks, ControlKind::kLost, 0, 0, 50000000);
    }
    p.leave(&lane, 'a', 0);
    if (where == 2) p.segment.header()->lost[1].store(kAny);
    lane.end();
    DrainRun run = drain(&p.segment, {{kTestOsPid, kExited}});
    std::vector<std::string> told = losses_told(run);
    CHECK(std::count(told.begin(), told.end(), "unknown") == 1);
    CHECK(lost_by_function(run).at('a') < 1000000000);
  }
}

}  // namespace telinject::test::lost_calls_test
