// libcurl's transfers: the ids that they issue, and what they tell besides.
#include <catch2/catch.hpp>

#include "http_program.h"

namespace telinject::test::transfers_test {
using namespace drain;

namespace {

std::string traceparent(TraceId trace, uint64_t span) {
  return "traceparent: 00-" + trace_text(trace) + "-" + hex16(span) + "-01\r\n";
}

}  // namespace

TEST_CASE("an exchange has the id that its transfer issued, and its transfer's facts") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.root(&lane, 1);
  p.enter(&lane, 'a', 0);
  TraceId trace = trace_id(p.key(), 0, 1);
  HttpContext context = HttpProgram::in_trace(HttpParent::kThread, trace);
  uint64_t place = p.transfer(&lane, 3, "http://shop.example/first", context);
  p.connect(&lane, 1, HttpRole::kClient);
  uint64_t first = span_id(p.key(), 0, place), second = span_id(p.key(), 0, place + 16);
  p.request(&lane, 1, 1, get("/first", traceparent(trace, first)), context, 0, 3);
  p.response(&lane, 1, 1, "HTTP/1.1 302 Found\r\nLocation: http://u:p@h/x?sig=1\r\n");
  p.end(&lane, 1, 1);
  p.request(&lane, 1, 2, get("/second", traceparent(trace, second)), context, 0, 3);
  p.response(&lane, 1, 2, ok());
  p.end(&lane, 1, 2);
  p.transfer_end(&lane, 3, 0, 200, "", 1);
  p.leave(&lane, 'a', 0);
  std::vector<json> events = p.events();
  // The first response is written when another request follows it.
  REQUIRE(story(events) == "+a request response request response -a");
  CHECK(events[1]["span_id"] == hex16(first));
  CHECK(events[2]["span_id"] == hex16(first));
  CHECK(events[3]["span_id"] == hex16(second));
  CHECK(events[4]["span_id"] == hex16(second));
  for (size_t i = 1; i < 5; i++) CHECK(events[i]["parent_span_id"] == events[0]["span_id"]);
  CHECK(events[2]["http"]["response"]["headers"]["Location"] ==
        "http://REDACTED:REDACTED@h/x?sig=REDACTED");
  CHECK_FALSE(events[2]["attributes"].contains("http.request.resend_count"));
  CHECK_FALSE(events[2]["attributes"].contains("curl.total_ms"));
  const json& last = events[4]["attributes"];
  CHECK(last["http.request.resend_count"] == 1);
  CHECK(last["curl.redirects"] == 1);
  CHECK(last["curl.connect_ms"] == 1.234);
  CHECK(last["curl.total_ms"] == 5.678);
  CHECK(last["curl.result"] == 0);
}

TEST_CASE("an id that goes out a second time is not used a second time") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  HttpContext context = HttpProgram::own_trace(1);
  TraceId trace = trace_id(p.key(), 0, 1);
  uint64_t id = span_id(p.key(), 0, p.transfer(&lane, 3, "http://h/", context));
  p.connect(&lane, 1, HttpRole::kClient);
  p.connect(&lane, 2, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/", traceparent(trace, id)), context);
  p.end(&lane, 1, 1, HttpEndReason::kClosed);
  p.request(&lane, 2, 1, get("/", traceparent(trace, id)), context);
  p.response(&lane, 2, 1, ok());
  p.end(&lane, 2, 1);
  p.transfer_end(&lane, 3, 0, 200);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response request response");
  CHECK(events[0]["span_id"] == hex16(id));
  CHECK(events[2]["span_id"] != hex16(id));
  CHECK(events[2]["trace_id"] == events[0]["trace_id"]);
  CHECK(events[2]["parent_span_id"] == hex16(id));  // one root a trace
}

TEST_CASE("a transfer that failed before any exchange is a pair of its own") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  uint64_t place =
      p.transfer(&lane, 3, "user:pass@nowhere.example:81/x?token=1", HttpProgram::own_trace(1));
  p.transfer_end(&lane, 3, 6, 0, "Could not resolve host: nowhere.example");
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[0]["span_id"] == hex16(span_id(p.key(), 0, place)));
  CHECK(events[0]["http"]["request"]["method"] == "PUT");
  CHECK(events[0]["http"]["request"]["url"] ==
        "http://REDACTED:REDACTED@nowhere.example:81/x?token=REDACTED");
  CHECK(events[1]["error"] == json({{"type", "CURLE_COULDNT_RESOLVE_HOST"},
                                    {"message", "Could not resolve host: nowhere.example"}}));
  CHECK(events[1]["attributes"]["curl.result"] == 6);
  CHECK_FALSE(events[1]["http"]["response"].contains("status_code"));
}

TEST_CASE("what libcurl says of a failure counts") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  HttpContext context = HttpProgram::own_trace(1);
  p.transfer(&lane, 3, "http://h/", context);
  p.connect(&lane, 1, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/"), context, 0, /*transfer=*/3);
  p.end(&lane, 1, 1, HttpEndReason::kClosed);
  p.transfer_end(&lane, 3, 28, 0, "Operation timed out");
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[1]["error"]["type"] == "CURLE_OPERATION_TIMEDOUT");
  // --fail: the status has said it.
  HttpProgram q;
  LaneWriter other = q.thread(0, 1);
  q.transfer(&other, 3, "http://h/", context);
  q.connect(&other, 1, HttpRole::kClient);
  q.request(&other, 1, 1, get("/"), context, 0, /*transfer=*/3);
  q.response(&other, 1, 1, "HTTP/1.1 404 Not Found\r\n");
  q.end(&other, 1, 1);
  q.transfer_end(&other, 3, 22, 404, "The requested URL returned error: 404");
  CHECK(event_of(q.events(), "http_response")["error"]["type"] == "404");
}

TEST_CASE("a transfer over what nobody can read is told by libcurl's own facts") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.transfer(&lane, 3, "https://h/a", HttpProgram::own_trace(1));
  p.transfer_end(&lane, 3, 0, 204, "", 1, "https://h/b");
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[0]["http"]["request"]["url"] == "https://h/b");
  CHECK(events[1]["http"]["response"]["status_code"] == 204);
  CHECK(events[1]["attributes"]["network.protocol.version"] == "1.1");
}

TEST_CASE("a transfer that never ended ends with its process") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, kTestOsPid);
  p.transfer(&lane, 3, "http://h/", HttpProgram::own_trace(1));
  std::vector<json> events = p.events({{kTestOsPid, kKilled}});
  REQUIRE(story(events) == "request response");
  CHECK(events[1]["error"]["type"] == "killed");
}

}  // namespace telinject::test::transfers_test
