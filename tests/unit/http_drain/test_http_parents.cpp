// Where exchanges belong in the call tree, and what belongs to them.
#include <catch2/catch.hpp>

#include "http_program.h"

namespace telinject::test::http_parents_test {
using namespace drain;

namespace {

std::string span(const json& event) {
  return event["span_id"];
}
std::string parent(const json& event) {
  return event["parent_span_id"].is_null() ? "" : event["parent_span_id"].get<std::string>();
}

}  // namespace

TEST_CASE("a client's request is a child of the call that makes it") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.root(&lane, 1);
  p.enter(&lane, 'a', 0);
  p.enter(&lane, 'b', 1);
  p.connect(&lane, 1, HttpRole::kClient);
  TraceId trace = trace_id(p.key(), 0, 1);
  // The program tells an older span of the trace than the drain knows.
  p.request(&lane, 1, 1, get("/"), HttpProgram::in_trace(HttpParent::kThread, trace, 99));
  p.leave(&lane, 'b', 1);
  p.response(&lane, 1, 1, ok());
  p.end(&lane, 1, 1);
  p.leave(&lane, 'a', 0);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "+a +b request -b response -a");
  CHECK(parent(events[2]) == span(events[1]));
  CHECK(events[2]["trace_id"] == events[0]["trace_id"]);
  CHECK(events[2]["function_name"] == events[1]["function_name"]);
  CHECK(parent(events[4]) == parent(events[2]));
}

TEST_CASE("the parent began before the request's first byte") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.root(&lane, 1);
  p.enter(&lane, 'a', 0);
  p.connect(&lane, 1, HttpRole::kClient);
  p.ticks += 10;
  p.enter(&lane, 'b', 1);
  p.request(&lane, 1, 1, get("/"),
            HttpProgram::in_trace(HttpParent::kThread, trace_id(p.key(), 0, 1)), 0, 0,
            /*earlier=*/5);
  std::vector<json> events = p.events();
  CHECK(parent(event_of(events, "http_request")) == span(events[0]));
}

TEST_CASE("calls belong to the request that their thread serves") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.root(&lane, 1);
  p.enter(&lane, 'l', 0);  // the loop
  p.connect(&lane, 1, HttpRole::kServer);
  HttpContext context = HttpProgram::in_trace(HttpParent::kIncoming, {7, 8}, 9);
  p.request(&lane, 1, 1, get("/"), context, kHttpFromPeer | kHttpServed);
  p.enter(&lane, 'h', 1);
  p.enter(&lane, 'i', 2);
  p.connect(&lane, 2, HttpRole::kClient);
  p.request(&lane, 2, 1, get("/sub"), HttpProgram::in_trace(HttpParent::kThread, {7, 8}, 5));
  p.response(&lane, 2, 1, ok());
  p.end(&lane, 2, 1);
  p.leave(&lane, 'i', 2);
  p.leave(&lane, 'h', 1);
  p.enter(&lane, 'j', 1);
  p.leave(&lane, 'j', 1);
  // Directly in the loop, while the request is open.
  p.request(&lane, 2, 2, get("/direct"), HttpProgram::in_trace(HttpParent::kThread, {7, 8}, 5));
  p.end(&lane, 2, 2, HttpEndReason::kClosed);
  p.response(&lane, 1, 1, ok(), 0);
  p.end(&lane, 1, 1);
  p.enter(&lane, 'k', 1);
  p.leave(&lane, 'k', 1);
  p.leave(&lane, 'l', 0);
  std::vector<json> events = p.events();
  REQUIRE(story(events) ==
          "+l request +h +i request response -i -h +j -j request response response +k -k -l");
  const json &loop = events[0], &served = events[1], &handler = events[2], &inner = events[3];
  CHECK(parent(handler) == span(served));
  CHECK(handler["trace_id"] == served["trace_id"]);
  CHECK(parent(inner) == span(handler));
  CHECK(inner["trace_id"] == served["trace_id"]);
  CHECK(parent(events[4]) == span(inner));
  CHECK(events[4]["trace_id"] == served["trace_id"]);
  CHECK(parent(events[8]) == span(served));
  CHECK(parent(events[10]) == span(served));
  CHECK(parent(events[13]) == span(loop));
  CHECK(events[13]["trace_id"] == loop["trace_id"]);
}

TEST_CASE("a thread's outermost calls belong to the request, too") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kServer);
  p.request(&lane, 1, 1, get("/"), HttpProgram::own_trace(4), kHttpFromPeer | kHttpServed);
  p.root(&lane, 1);
  p.enter(&lane, 'h', 0);
  p.leave(&lane, 'h', 0);
  // A second one that the thread does not serve alone takes the first one's calls away.
  p.connect(&lane, 2, HttpRole::kServer);
  p.request(&lane, 2, 1, get("/2"), HttpProgram::own_trace(5), kHttpFromPeer);
  p.root(&lane, 2);
  p.enter(&lane, 'i', 0);
  p.leave(&lane, 'i', 0);
  p.end(&lane, 1, 1, HttpEndReason::kClosed);
  std::vector<json> events = p.events();
  REQUIRE(story(events).starts_with("request +h -h request +i -i response"));
  CHECK(parent(events[1]) == span(events[0]));
  CHECK(events[1]["trace_id"] == events[0]["trace_id"]);
  CHECK(parent(events[4]).empty());
  CHECK(events[4]["trace_id"] == trace_text(trace_id(p.key(), 0, 2)));
}

TEST_CASE("an application's own traceparent is the parent") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  std::string own = "traceparent: 00-000000000000000700000000000000ab-00000000000000cd-01\r\n";
  p.request(&lane, 1, 1, get("/", own), HttpProgram::own_trace(1));
  std::string off = "Traceparent: 00-000000000000000700000000000000ab-00000000000000cd-00\r\n";
  p.request(&lane, 1, 2, get("/", off), HttpProgram::own_trace(2));
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[0]["trace_id"] == "000000000000000700000000000000ab");
  CHECK(parent(events[0]) == "00000000000000cd");
}

TEST_CASE("a proxy that passes a traceparent on is in between") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  std::string header = "traceparent: 00-000000000000000700000000000000ab-00000000000000cd-01\r\n";
  HttpContext incoming = HttpProgram::in_trace(HttpParent::kIncoming, {7, 0xab}, 0xcd);
  p.connect(&lane, 1, HttpRole::kServer);
  p.connect(&lane, 2, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/", header), incoming, kHttpFromPeer);
  p.request(&lane, 2, 1, get("/", header), incoming);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request request response response");
  CHECK(parent(events[0]) == "00000000000000cd");
  CHECK(parent(events[1]) == span(events[0]));
  CHECK(events[1]["trace_id"] == events[0]["trace_id"]);
}

TEST_CASE("a trace that was found but whose spans are lost gets no parent that is not there") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.root(&lane, 1);
  p.enter(&lane, 'a', 0);
  p.connect(&lane, 1, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/"), HttpProgram::in_trace(HttpParent::kThread, {7, 8}, 9));
  const json event = event_of(p.events(), "http_request");
  CHECK(event["trace_id"] == "00000000000000070000000000000008");
  CHECK(parent(event).empty());
}

TEST_CASE("what a thread continues is its requests' parent, too") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1, 1, 0, {7, 8, 9, 1, 1});
  p.connect(&lane, 1, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/"), HttpProgram::in_trace(HttpParent::kThread, {7, 8}, 9));
  const json event = event_of(p.events(), "http_request");
  CHECK(event["trace_id"] == "00000000000000070000000000000008");
  CHECK(parent(event) == "0000000000000009");
}

}  // namespace telinject::test::http_parents_test
