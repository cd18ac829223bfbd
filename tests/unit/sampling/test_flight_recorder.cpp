// The flight recorder: what it writes, when, and that it can be read by itself.
#include <catch2/catch.hpp>
#include <string>

#include "shim/drain/sampling/flight_recorder.h"
#include "tests/unit/sampling/program.h"

namespace telinject::test::flight_recorder_test {

using drain::FlightRecorder;

namespace {

RecorderRules recorder_rules(const char* text) {
  RecorderRules rules;
  REQUIRE(parse_recorder_rules(text, &rules));
  return rules;
}

// Every end has its start before it, and so has every parent that did not end long ago.
void check_readable(const Written& written) {
  std::set<uint64_t> started;
  for (const Written::Event& event : written.events) {
    if (event.kind == 's') started.insert(event.span);
    if (event.kind == 'e') CHECK(started.contains(event.span));
    if (event.parent != 0) CHECK(started.contains(event.parent));
  }
}

}  // namespace

TEST_CASE("nothing is written until it is asked for, then the last seconds") {
  Written written;
  FlightRecorder recorder(remembering(&written), recorder_rules("2s,64MB"), false);
  Program program(&recorder);
  program.start(1, 0, "main");
  program.start(2, 1, "loop");
  for (uint64_t i = 0; i < 100000; i++) {
    program.start(10 + i, 2, "step");
    program.now += Program::kMs / 10;
    program.end(10 + i);
  }
  recorder.pass_on();
  recorder.flush();
  CHECK(written.events.empty());
  std::optional<uint64_t> dumped = recorder.dump();
  REQUIRE(dumped.has_value());
  CHECK(*dumped == written.events.size());
  CHECK(written.has(1));  // open, though its start is long ago
  CHECK(written.has(2));
  CHECK(written.whole(10 + 99999));
  // Two seconds, in whole blocks.
  CHECK(written.count('e') >= 20000);
  CHECK(written.count('e') < 25000);
  check_readable(written);
  // It goes on, and writes nothing twice.
  size_t before = written.events.size();
  program.start(200000, 2, "step");
  program.end(200000);
  program.end(2);
  CHECK(*recorder.dump() == 3);
  CHECK(written.events.size() == before + 3);
  CHECK(written.whole(2));
  check_readable(written);
}

TEST_CASE("memory stays below the bound") {
  Written written;
  FlightRecorder recorder(remembering(&written), recorder_rules("1MB,asked"), false);
  Program program(&recorder);
  program.start(1, 0, "main");
  for (uint64_t i = 0; i < 200000; i++) {
    program.start(10 + i, 1, "step");
    program.end(10 + i, /*error=*/true);
    REQUIRE(recorder.memory() < 1100000);
  }
  CHECK(written.events.empty());  // only when it is asked
  recorder.dump();
  CHECK(written.count('e') > 10000);
  check_readable(written);
}

TEST_CASE("an error is written with what follows it at once") {
  Written written;
  FlightRecorder recorder(remembering(&written), recorder_rules("30s"), false);
  Program program(&recorder);
  program.start(1, 0, "main");
  program.start(2, 1, "fails");
  program.end(2, /*error=*/true);
  CHECK(written.events.empty());
  program.end(1, /*error=*/true);
  program.pass_time(200);
  CHECK(written.whole(1));
  CHECK(written.whole(2));
  CHECK(recorder.counts().dumps[0] == 1);
}

TEST_CASE("so many dumps a minute; a crash has its own") {
  Written written;
  FlightRecorder recorder(remembering(&written), recorder_rules("30s,errors,crash"), false);
  Program program(&recorder);
  for (uint64_t i = 0; i < 20; i++) {
    program.start(10 + i, 0, "fails");
    program.end(10 + i, /*error=*/true);
    program.pass_time(200);
  }
  CHECK(recorder.counts().dumps[0] == FlightRecorder::kMostAMinute);
  CHECK(recorder.counts().refused == 20 - FlightRecorder::kMostAMinute);
  CHECK_FALSE(written.has(29));
  ExitNote note;
  note.exit_kind = "killed";
  program.start(40, 0, "crashes");
  program.end(40, /*error=*/true, &note);
  recorder.flush();
  CHECK(recorder.counts().dumps[1] == 1);
  CHECK(written.whole(40));
  CHECK(written.whole(29));  // what was kept meanwhile
  program.pass_time(60000);
  program.start(50, 0, "fails");
  program.end(50, /*error=*/true);
  recorder.flush();
  CHECK(written.whole(50));
  CHECK(recorder.account().find("14 more reasons were ignored: 6 dumps a minute at most") !=
        std::string::npos);
}

TEST_CASE("a function that is forgotten is told of by the dump that has its calls") {
  Written written;
  FlightRecorder recorder(remembering(&written), recorder_rules("30s,asked"), false);
  Program program(&recorder);
  program.start(1, 0, "main");
  program.start(2, 1, "plugin");
  program.end(2);
  program.forget("plugin");
  program.start(3, 1, "another");
  program.end(3);
  recorder.dump();
  REQUIRE(written.events.size() == 5);
  CHECK(written.events[1].name == "plugin");
  CHECK(written.events[3].name == "another");
  CHECK(written.functions.size() == 2);
}

TEST_CASE("each event is written, left out or kept, and counted once") {
  Written written;
  FlightRecorder recorder(remembering(&written), recorder_rules("1MB,asked"), false);
  Program program(&recorder);
  uint64_t events = 1;
  program.start(1, 0, "main");
  // Those of the second kind are open when their starts go from the blocks, and end later.
  for (uint64_t i = 0; i < 50000; i++) {
    program.start(10 + i, 1, "step");
    program.start(1000000 + i, 1, "long");
    program.end(10 + i);
    if (i >= 20000) program.end(1000000 + i - 20000);
    events += i >= 20000 ? 4 : 3;
  }
  recorder.dump();
  CHECK(recorder.counts().events_left_out > events / 2);
  CHECK(written.events.size() + recorder.counts().events_left_out == events);
  size_t before = written.events.size();
  for (uint64_t i = 30000; i < 50000; i++) program.end(1000000 + i);
  program.end(1);
  recorder.dump();
  CHECK(written.events.size() + recorder.counts().events_left_out == events + 20001);
  CHECK(written.events.size() > before);
  CHECK(recorder.memory() == 0);
}

TEST_CASE("a span that begins again and again takes memory once") {
  Written written;
  FlightRecorder recorder(remembering(&written), recorder_rules("1MB,asked"), false);
  Program program(&recorder);
  for (int i = 0; i < 100000; i++) {
    program.start(7, 0, "again");
    REQUIRE(recorder.memory() < 1100000);
  }
  CHECK(recorder.counts().events_left_out < 100000 - 1000);  // some blocks are kept
}

TEST_CASE("slow requests ask for a dump, connections that are open for long do not") {
  Written written;
  FlightRecorder recorder(remembering(&written), recorder_rules("30s,slow=1s"), false);
  Program program(&recorder);
  program.end_operation(1, {"", "tls_connection", "network", "tls_"}, 5000);
  program.pass_time(200);
  CHECK(recorder.counts().dumps[2] == 0);
  CHECK(written.events.empty());
  program.end_operation(2, {"http_request", "http_response", "network", "http_"}, 5000);
  program.pass_time(200);
  CHECK(recorder.counts().dumps[2] == 1);
}

}  // namespace telinject::test::flight_recorder_test
