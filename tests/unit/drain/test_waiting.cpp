// Waiting for room is not the program's time, whatever was open meanwhile.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <map>
#include <string>

#include "tests/unit/drain/program.h"
#include "tests/unit/drain/tree.h"

namespace telinject::test::waiting_test {
using namespace drain;
namespace {

using nlohmann::json;

constexpr uint64_t kTopOfStack = kStackHi - 0x100;
constexpr uint64_t kOther = 0x10000000, kBytes = 0x10000;
constexpr uint64_t kHome = kStackHi - kStackLo;

}  // namespace

TEST_CASE("a wait is taken out of all calls that were open, and of no other") {
  Tree t;
  Call a = t.call('a', kTopOfStack), b = t.call('b', kTopOfStack - 64),
       c = t.call('c', kTopOfStack - 128);
  t.enter(a);
  t.enter(c);
  t.leave(c);
  t.enter(b);
  t.enter(c);
  t.wait(1000);
  t.leave(c);
  CHECK(t.durations['c'] == 1);
  t.wait(500);
  t.leave(b);
  CHECK(t.durations['b'] == 3);
  t.enter(c);
  t.leave(c);
  CHECK(t.durations['c'] == 1);
  t.leave(a);
  CHECK(t.durations['a'] == 9);
  CHECK(t.log() == "+a+c-c+b+c-c-b+c-c-a");
}

TEST_CASE("a wait before a thread's outermost call is nobody's") {
  Tree t;
  Call a = t.call('a', kTopOfStack);
  t.wait(1000);
  t.tree.root(0, 1, 0);
  t.enter(a);
  t.leave(a);
  CHECK(t.durations['a'] == 1);
  t.wait(1000);
  t.tree.root(0, 2, 0);
  t.enter(a);
  t.ticks += 5;
  t.leave(a);
  CHECK(t.durations['a'] == 6);
}

TEST_CASE("calls that an exception or longjmp left give what they waited to their callers") {
  Tree t;
  Call a = t.call('a', kTopOfStack), b = t.call('b', kTopOfStack - 64),
       c = t.call('c', kTopOfStack - 128);
  t.enter(a);
  t.enter(b);
  t.enter(c);
  t.wait(1000);
  t.unwind(UnwindKind::kLongjmp, 0, kTopOfStack);
  CHECK(t.durations['c'] == 1);
  CHECK(t.durations['b'] == 2);
  t.leave(a);
  CHECK(t.durations['a'] == 4);
  CHECK(t.log() == "+a+b+cjcjb-a");
}

TEST_CASE("a wait in a coroutine is one of whoever resumed it, too") {
  Tree t;
  Call a = t.call('a', kTopOfStack), b = t.call('b', kOther + kBytes - 64),
       c = t.call('c', kOther + kBytes - 128), d = t.call('d', kTopOfStack - 64);
  t.enter(a);
  t.tree.stack_switch(kOther, kBytes, 0, t.ticks);
  t.enter(b);
  t.enter(c);
  t.wait(1000);
  t.tree.stack_switch(kStackLo, kHome, 0, t.ticks);
  t.enter(d);  // while b and c are suspended
  t.wait(100);
  t.leave(d);
  CHECK(t.durations['d'] == 1);
  t.tree.stack_switch(kOther, kBytes, 0, t.ticks);
  t.leave(c);
  CHECK(t.durations['c'] == 103);
  t.leave(b);
  CHECK(t.durations['b'] == 105);
  t.tree.stack_switch(kStackLo, kHome, 0, t.ticks);
  t.leave(a);
  CHECK(t.durations['a'] == 7);
}

TEST_CASE("a coroutine that waited is resumed by another thread") {
  Tree t;
  CallTree other(kKey, 4, kOther + 0x1000000, kOther + 0x2000000, std::nullopt, &t.stacks, &t, &t);
  Call a = t.call('a', kTopOfStack), b = t.call('b', kOther + kBytes - 64);
  t.enter(a);
  t.tree.stack_switch(kOther, kBytes, 0, t.ticks);
  t.enter(b);
  t.wait(1000);
  // What its thread waits before it comes to the coroutine is not the coroutine's.
  other.waited(10000, static_cast<int64_t>(t.ticks));
  other.stack_switch(kOther, kBytes, 0, t.ticks);
  uint64_t record[2] = {++t.ticks | kExitBit, (Tree::function(b.name) & 0xffffffff) | b.sp << 32};
  other.exit(record, t.ticks);
  CHECK(t.durations['b'] == 1);
}

TEST_CASE("no call is shorter than nothing, whatever a program says that it waited") {
  Tree t;
  Call a = t.call('a', kTopOfStack), b = t.call('b', kTopOfStack - 64);
  t.enter(a);
  t.enter(b);
  for (int64_t ns : {int64_t{1} << 62, int64_t{1} << 62, int64_t{-5}}) {
    t.tree.waited(ns, static_cast<int64_t>(t.ticks + 3));
  }
  t.leave(b);
  t.leave(a);
  CHECK(t.durations['b'] == 0);
  CHECK(t.durations['a'] == 0);
}

TEST_CASE("exits tell how long the thread waited, and durations are without it") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  p.enter(&lane, 'b', 1);
  p.ticks += 1000;
  lane.control(p.ticks, ControlKind::kWaited, 0, 1000);
  p.enter(&lane, 'c', 2);
  p.leave(&lane, 'c', 2);
  p.leave(&lane, 'b', 1);
  p.ticks += 500;
  lane.control(p.ticks, ControlKind::kWaited, 0, 500);
  p.leave(&lane, 'a', 0);
  DrainRun run = drain(&p.segment, {{kTestOsPid, kExited}});
  std::map<char, json> exits;
  for (const std::string& line : lines_of(run.lines)) {
    json event = json::parse(line);
    if (event["event_type"] != "function_exit") continue;
    std::string name = event["function_name"];
    exits[static_cast<char>(std::stoul(name, nullptr, 16))] = event;
  }
  REQUIRE(exits.size() == 3);
  CHECK(exits['c']["duration_ns"] == 1);
  CHECK_FALSE(exits['c']["attributes"].contains("telinject.waited_ns"));
  CHECK(exits['b']["duration_ns"] == 3);
  CHECK(exits['b']["attributes"]["telinject.waited_ns"] == 1000);
  CHECK(exits['a']["duration_ns"] == 5);
  CHECK(exits['a']["attributes"]["telinject.waited_ns"] == 1500);
}

TEST_CASE("frames that a process left open have waited, too") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  lane.control(++p.ticks, ControlKind::kStack, 0x10000, kOther);
  lane.entry(++p.ticks, 'b', 0x6000, kOther + 0x8000, 'b' + 4);
  lane.entry(++p.ticks, 'c', 0x6010, kOther + 0x7000, 'c' + 4);
  p.ticks += 700;
  lane.control(p.ticks, ControlKind::kWaited, 0, 700);
  lane.end();
  DrainRun run = drain(&p.segment, {{kTestOsPid, kKilled}});
  int exits = 0;
  for (const std::string& line : lines_of(run.lines)) {
    json event = json::parse(line);
    if (event["event_type"] != "function_exit") continue;
    CHECK(event["attributes"]["telinject.waited_ns"] == 700);
    exits++;
  }
  CHECK(exits == 3);
}

}  // namespace telinject::test::waiting_test
