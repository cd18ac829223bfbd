// Exchanges that do not come to a good end.
#include <catch2/catch.hpp>

#include <cerrno>

#include "http_program.h"

namespace telinject::test::http_failures_test {
using namespace drain;

namespace {

json failed(HttpEndReason reason, bool answered, int error = 0) {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/"), HttpProgram::own_trace(1));
  if (answered) p.response(&lane, 1, 1, ok());
  p.end(&lane, 1, 1, reason, 0, 3, error);
  return event_of(p.events(), "http_response");
}

std::string type_of(const json& event) {
  if (!event.contains("error")) return event["severity"];
  CHECK(event["severity"] == "ERROR");
  return event["error"]["type"];
}

}  // namespace

TEST_CASE("transport failures are errors") {
  json reset = failed(HttpEndReason::kFailed, false, ECONNRESET);
  CHECK(type_of(reset) == "ECONNRESET");
  CHECK_FALSE(reset["http"]["response"].contains("status_code"));
  CHECK(reset["attributes"]["telinject.http.end"] == "failed");
  CHECK(type_of(failed(HttpEndReason::kFailed, true, EPIPE)) == "EPIPE");
  CHECK(type_of(failed(HttpEndReason::kFailed, false, 0)) == "connection_failed");
  CHECK(type_of(failed(HttpEndReason::kClosed, false)) == "connection_closed");
  json cut = failed(HttpEndReason::kClosed, true);
  CHECK(type_of(cut) == "connection_closed");
  CHECK(cut["http"]["response"]["status_code"] == 200);
  CHECK(cut["http"]["response"]["body_bytes"] == 3);
  CHECK(type_of(failed(HttpEndReason::kUnparsed, false)) == "unparsed");
  // The request was answered; what came then is not looked at.
  CHECK(type_of(failed(HttpEndReason::kUnparsed, true)) == "INFO");
  CHECK(type_of(failed(HttpEndReason::kUpgraded, true)) == "INFO");
}

TEST_CASE("an exchange ends with its process, and says so") {
  auto end = [](ProcessEnd how, bool answered) {
    HttpProgram p;
    LaneWriter lane = p.thread(0, kTestOsPid);
    p.connect(&lane, 1, HttpRole::kClient);
    p.request(&lane, 1, 1, get("/"), HttpProgram::own_trace(1));
    if (answered) p.response(&lane, 1, 1, ok());
    return event_of(p.events({{kTestOsPid, how}}), "http_response");
  };
  json killed = end(kKilled, true);
  CHECK(type_of(killed) == "killed");
  CHECK(killed["attributes"]["telinject.http.end"] == "killed");
  CHECK(type_of(end(kExited, false)) == "process_exit");
  json answered = end(kExited, true);
  CHECK(type_of(answered) == "INFO");
  CHECK(answered["attributes"]["telinject.http.end"] == "process_exit");
}

TEST_CASE("an end that was lost shows when the next exchange of its connection ends") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/1"), HttpProgram::own_trace(1));
  p.request(&lane, 1, 2, get("/2"), HttpProgram::own_trace(2));
  p.response(&lane, 1, 2, ok());
  p.request(&lane, 1, 3, get("/3"), HttpProgram::own_trace(3));
  p.response(&lane, 1, 3, ok());
  p.end(&lane, 1, 3);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request request request response response response");
  for (size_t i = 3; i < 5; i++) {
    CHECK(type_of(events[i]) == "WARN");
    CHECK(events[i]["attributes"]["telinject.http.end"] == "lost");
  }
  CHECK(events[5]["severity"] == "INFO");
}

TEST_CASE("an exchange ends with its connection") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  p.connect(&lane, 2, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/1"), HttpProgram::own_trace(1));
  p.request(&lane, 1, 2, get("/2"), HttpProgram::own_trace(2));
  p.request(&lane, 2, 1, get("/other"), HttpProgram::own_trace(3));
  p.end(&lane, 1, 0, HttpEndReason::kClosed);
  p.enter(&lane, 'z', 0);
  std::vector<json> events = p.events();
  CHECK(story(events).starts_with("request request request response response +z"));
}

TEST_CASE("a fork goes on with a connection by itself") {
  HttpProgram p;
  LaneWriter parent = p.thread(0, kTestOsPid);
  LaneWriter child = p.thread(1, 5000, 5000, 1);
  p.connect(&parent, 1, HttpRole::kClient);
  p.request(&parent, 1, 1, get("/parent"), HttpProgram::own_trace(1));
  p.request(&child, 1, 1, get("/child"), HttpProgram::own_trace(1));
  p.response(&child, 1, 1, "HTTP/1.1 201 X\r\n");
  p.end(&child, 1, 1);
  p.response(&parent, 1, 1, "HTTP/1.1 202 X\r\n");
  p.end(&parent, 1, 1);
  std::vector<json> events = p.events({{kTestOsPid, kExited}, {5000, kExited}});
  REQUIRE(story(events) == "request request response response");
  CHECK(events[2]["process"]["pid"] == 5000);
  CHECK(events[2]["http"]["response"]["status_code"] == 201);
  CHECK(events[2]["attributes"]["network.peer.address"] == "10.0.0.7");
  CHECK(events[3]["http"]["response"]["status_code"] == 202);
}

TEST_CASE("messages that make no sense leave no event") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.request(&lane, 1, 1, "nonsense", HttpProgram::own_trace(1));
  p.request(&lane, 1, 2, "", HttpProgram::own_trace(1));
  p.response(&lane, 1, 3, ok());
  p.end(&lane, 1, 3);
  p.end(&lane, 77, 1);
  for (uint16_t type = 16; type < 24; type++) {
    lane.message(++p.ticks, static_cast<MessageType>(type), "short", 5);
  }
  CHECK(p.events().empty());
}

TEST_CASE("a request without what it was told over has a URL all the same") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.request(&lane, 5, 1, "GET / HTTP/1.0\r\n", HttpProgram::own_trace(1));
  CHECK(event_of(p.events(), "http_request")["http"]["request"]["url"] == "http://localhost/");
}

}  // namespace telinject::test::http_failures_test
