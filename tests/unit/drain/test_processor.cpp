// From a segment to events: the collector and the processor together.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <csignal>
#include <map>
#include <set>
#include <string>

#include "tests/unit/drain/program.h"

namespace telinject::test::processor_test {
using namespace drain;
namespace {

using nlohmann::json;

std::vector<json> events_of(const DrainRun& run) {
  CHECK(run.problem == "");
  std::vector<json> events;
  for (const std::string& line : lines_of(run.lines)) events.push_back(json::parse(line));
  return events;
}

// "+a" and "-a", with what an exit says of itself: "-a(killed)". Functions are letters by address.
std::string story(const std::vector<json>& events) {
  std::string text;
  for (const json& event : events) {
    if (event["event_type"] == "telemetry_loss") {
      text += "!" + std::to_string(event["attributes"]["telinject.lost_calls"].get<int>());
      continue;
    }
    char name =
        static_cast<char>(std::stoul(event["function_name"].get<std::string>(), nullptr, 16));
    text += event["event_type"] == "function_entry" ? '+' : '-';
    text += name;
    if (event["attributes"].contains("telinject.exit")) {
      text += "(" + event["attributes"]["telinject.exit"].get<std::string>() + ")";
    }
  }
  return text;
}

}  // namespace

TEST_CASE("a thread's records become events, in sequence, with ids, times and its name") {
  Program p;
  LaneWriter lane = p.thread(0, 4712);
  p.root(&lane, 1);
  uint64_t a = p.enter(&lane, 'a', 0);
  p.enter(&lane, 'b', 1);
  p.leave(&lane, 'b', 1);
  p.leave(&lane, 'a', 0);
  SegmentKey key = {p.segment.header()->key[0], p.segment.header()->key[1]};
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  CHECK(story(events) == "+a+b-b-a");
  for (size_t i = 0; i < events.size(); i++) CHECK(events[i]["sequence"] == i + 1);
  char id[17];
  std::snprintf(id, sizeof id, "%016lx", static_cast<unsigned long>(span_id(key, 0, a)));
  CHECK(events.at(0)["span_id"] == id);
  CHECK(events.at(0)["parent_span_id"].is_null());
  CHECK(events.at(1)["parent_span_id"] == id);
  CHECK(events.at(3)["duration_ns"] == 3);
  CHECK(events.at(3)["timestamp_ns"].get<int64_t>() ==
        events.at(0)["timestamp_ns"].get<int64_t>() + 3);
  CHECK(events.at(0)["attributes"]["thread_id"] == 4712);
  CHECK(events.at(0)["attributes"]["thread_name"] == "worker");
  CHECK(events.at(0)["process"]["pid"] == kTestOsPid);
  CHECK(events.at(0)["service"]["name"] == "shop");
}

TEST_CASE("what is open when the process ends says how it ended") {
  auto end = [](ProcessEnd how, bool said_exit) {
    Program p;
    LaneWriter lane = p.thread(0, kTestOsPid);
    p.enter(&lane, 'a', 0);
    if (said_exit) lane.control(++p.ticks, ControlKind::kExit, 1);
    lane.end();
    return events_of(drain(&p.segment, {{kTestOsPid, how}}));
  };
  std::vector<json> killed = end(kKilled, false);
  CHECK(story(killed) == "+a-a(killed)");
  CHECK(killed.at(1)["error"]["type"] == "SIGKILL");
  CHECK(killed.at(1)["severity"] == "ERROR");
  CHECK(story(end(kExited, false)) == "+a-a(process_exit)");
  std::vector<json> unknown = end({}, false);
  CHECK(story(unknown) == "+a-a(unknown)");
  CHECK(unknown.at(1)["error"]["type"] == "unknown");
  CHECK(story(end({}, true)) == "+a-a(process_exit)");
}

TEST_CASE("threads of one program interleave by time") {
  Program p;
  LaneWriter one = p.thread(0, 1), two = p.thread(1, 2);
  p.enter(&one, 'a', 0);
  p.enter(&two, 'b', 0);
  p.leave(&one, 'a', 0);
  p.leave(&two, 'b', 0);
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  CHECK(story(events) == "+a+b-a-b");
  CHECK(events.at(0)["trace_id"] != events.at(1)["trace_id"]);
}

TEST_CASE("a thread that was spawned inside a span is its child") {
  Program p;
  LaneWriter main = p.thread(0, 1);
  p.root(&main, 1);
  p.enter(&main, 'a', 0);
  SegmentKey key = {p.segment.header()->key[0], p.segment.header()->key[1]};
  uint64_t spawn = main.control(++p.ticks, ControlKind::kSpawn);
  TraceId trace = trace_id(key, 0, 1);
  // The id of the span that the spawner could see from its root is an older one.
  LaneWriter child = p.thread(1, 2, 1, 0, {trace.hi, trace.lo, 99, 1, 1}, {key.k0, spawn, 0, 0});
  p.root(&child, 1, kRootInherited);
  p.enter(&child, 'b', 0);
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  REQUIRE(events.size() == 4);
  CHECK(events[1]["trace_id"] == events[0]["trace_id"]);
  CHECK(events[1]["parent_span_id"] == events[0]["span_id"]);
}

TEST_CASE("a spawn record of another trace is not believed") {
  Program p;
  LaneWriter main = p.thread(0, 1);
  p.root(&main, 1);
  p.enter(&main, 'a', 0);
  SegmentKey key = {p.segment.header()->key[0], p.segment.header()->key[1]};
  uint64_t spawn = main.control(++p.ticks, ControlKind::kSpawn);
  LaneWriter child = p.thread(1, 2, 1, 0, {7, 8, 99, 1, 1}, {key.k0, spawn, 0, 0});
  p.root(&child, 1, kRootInherited);
  p.enter(&child, 'b', 0);
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  REQUIRE(events.size() == 4);
  CHECK(events[1]["trace_id"] == "00000000000000070000000000000008");
  CHECK(events[1]["parent_span_id"] == "0000000000000063");
}

TEST_CASE("a forked child is a process of its own, with its own sequence, and is watched") {
  Program p;
  p.segment.header()->pid = kTestOsPid;
  LaneWriter parent = p.thread(0, kTestOsPid);
  LaneWriter child = p.thread(1, 5000, 5000, 1);
  p.enter(&parent, 'a', 0);
  p.enter(&child, 'b', 0);
  p.leave(&child, 'b', 0);
  p.enter(&child, 'c', 0);
  child.end();
  p.leave(&parent, 'a', 0);
  DrainRun run = drain(&p.segment, {{kTestOsPid, kExited}, {5000, kKilled}});
  CHECK(run.watched == std::vector<int>{5000});
  std::vector<json> events = events_of(run);
  CHECK(story(events) == "+a+b-b+c-a-c(killed)");
  std::map<int, std::vector<int>> sequences;
  for (const json& event : events) sequences[event["process"]["pid"]].push_back(event["sequence"]);
  CHECK(sequences == std::map<int, std::vector<int>>{{kTestOsPid, {1, 2}}, {5000, {1, 2, 3, 4}}});
}

TEST_CASE("calls that a lane had no room for are told where they are missing") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  lane.control(++p.ticks, ControlKind::kLost, 0, 0, 5);
  p.leave(&lane, 'a', 0);
  lane.end();
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  CHECK(story(events) == "+a!5-a");
  // In the trace, but no child of the call that happened to be open.
  CHECK(events.at(1)["trace_id"] == events.at(0)["trace_id"]);
  CHECK(events.at(1)["parent_span_id"].is_null());
}

TEST_CASE("losses of the whole segment are told at its end") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  p.leave(&lane, 'a', 0);
  p.segment.header()->lost[static_cast<size_t>(LossReason::kNoLane)].store(9);
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  CHECK(story(events) == "+a-a!9");
  CHECK(events.at(2)["attributes"]["telinject.loss_reason"] == "no_lane");
}

TEST_CASE("records before a thread has said who it is belong to nobody") {
  Program p;
  LaneWriter lane(&p.segment, 0);
  p.enter(&lane, 'x', 0);
  p.leave(&lane, 'x', 0);
  lane.control(++p.ticks, ControlKind::kLost, 0, 0, 5);
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  CHECK(story(events) == "");
}

TEST_CASE("a thread's new name counts from then on") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  lane.message(++p.ticks, MessageType::kThreadName, "re\"named", 8);
  p.leave(&lane, 'a', 0);
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  CHECK(events.at(0)["attributes"]["thread_name"] == "worker");
  CHECK(events.at(1)["attributes"]["thread_name"] == "re\"named");
}

TEST_CASE("a lane claimed by one thread after another, without a word in between") {
  Program p;
  LaneWriter lane = p.thread(0, 1);
  p.enter(&lane, 'a', 0);
  ThreadMessage again = {};
  again.pid = kTestOsPid;
  again.tid = 2;
  again.process = 1;
  lane.message(++p.ticks, MessageType::kThread, &again, sizeof again);
  p.enter(&lane, 'b', 0);
  p.leave(&lane, 'b', 0);
  std::vector<json> events = events_of(drain(&p.segment, {{kTestOsPid, kExited}}));
  CHECK(story(events) == "+a+b-b-a(process_exit)");
}

}  // namespace telinject::test::processor_test
