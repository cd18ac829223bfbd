// Where calls were lost: all that was open then says so.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <map>
#include <string>

#include "tests/unit/drain/program.h"
#include "tests/unit/drain/tree.h"

namespace telinject::test {
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

}  // namespace telinject::test
