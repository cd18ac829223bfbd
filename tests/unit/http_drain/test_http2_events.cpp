// From messages of HTTP/2 to events: HPACK, streams, order.
#include <catch2/catch.hpp>

#include <algorithm>

#include "http_program.h"

namespace telinject::test::http2_events_test {
using namespace drain;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Fields asks(const std::string& path, const Fields& more = {}) {
  Fields fields = {{":method", "GET"},       {":scheme", "https"},
                   {":path", path},          {":authority", "shop.example"},
                   {"user-agent", "test/2"}, {"authorization", "Bearer abc"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
Fields answers(int status, const Fields& more = {}) {
  Fields fields = {{":status", std::to_string(status)}, {"content-type", "text/html"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
constexpr uint16_t kLast = kHttpEndOfStream;

}  // namespace

TEST_CASE("streams of a connection are exchanges") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out, in;
  p.connect(&lane, 1, HttpRole::kClient, 0x0304, "shop.example", 443);
  HttpContext one = HttpProgram::own_trace(1), two = HttpProgram::own_trace(2);
  uint64_t place = p.headers(&lane, 1, 1, 0, out.block(asks("/a?api_key=1")), kLast, one);
  p.headers(&lane, 1, 3, 1, out.block(asks("/b")), kLast, two);
  p.headers(&lane, 1, 3, 0, in.block(answers(103)), kHttpFromPeer);
  p.headers(&lane, 1, 3, 1, in.block(answers(500)), kHttpFromPeer | kLast);
  p.headers(&lane, 1, 1, 2, in.block(answers(200)), kHttpFromPeer);
  p.half_end(&lane, 1, 1, /*from_peer=*/true, 99);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request request response response");
  CHECK(events[0]["span_id"] == hex16(span_id(p.key(), 0, place)));
  CHECK(events[0]["http"]["request"]["url"] == "https://shop.example/a?api_key=REDACTED");
  CHECK(events[0]["http"]["request"]["headers"] ==
        json({{"user-agent", "test/2"}, {"authorization", "REDACTED"}}));
  CHECK(events[0]["attributes"]["network.protocol.version"] == "2");
  CHECK(events[1]["http"]["request"]["url"] == "https://shop.example/b");
  CHECK(events[2]["http"]["response"]["status_code"] == 500);
  CHECK(events[2]["span_id"] == events[1]["span_id"]);
  CHECK(events[3]["http"]["response"]["body_bytes"] == 99);
  CHECK(events[3]["http"]["response"]["content_type"] == "text/html");
}

// What the program's side tells where a request is upgraded (Upgrade: h2c).
void goes_on_as_stream(HttpProgram* p, LaneWriter* lane, uint32_t exchange, uint64_t request_bytes,
                       bool server) {
  HttpEndMessage end = {};
  end.connection = 1;
  end.ticks = p->ticks + 1;
  (server ? end.received_bytes : end.sent_bytes) = request_bytes;
  end.exchange = exchange;
  end.stream = 1;
  end.reason = HttpEndReason::kUpgraded;
  p->put(lane, MessageType::kHttpEnd, end);
}

TEST_CASE("a request of HTTP/1 that is upgraded is answered as stream 1") {
  for (bool server : {false, true}) {
    INFO(server);
    HttpProgram p;
    LaneWriter lane = p.thread(0, 1);
    Deflater answer;
    uint16_t asks_flag = server ? kHttpFromPeer : 0, answers_flag = server ? 0 : kHttpFromPeer;
    p.connect(&lane, 1, server ? HttpRole::kServer : HttpRole::kClient);
    uint64_t place = p.request(&lane, 1, 7, get("/u", "Upgrade: h2c\r\nContent-Length: 3\r\n"),
                               HttpProgram::own_trace(1), asks_flag);
    p.response(&lane, 1, 7, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n",
               answers_flag | kHttpInterim);
    goes_on_as_stream(&p, &lane, 7, 3, server);
    p.headers(&lane, 1, 1, 0, answer.block(answers(203)), answers_flag);
    p.half_end(&lane, 1, 1, !server, 44);
    std::vector<json> events = p.events();
    REQUIRE(story(events) == "request response");
    CHECK(events[0]["span_id"] == hex16(span_id(p.key(), 0, place)));
    CHECK(events[1]["span_id"] == events[0]["span_id"]);
    CHECK(events[1]["http"]["response"]["status_code"] == 203);
    CHECK(events[1]["http"]["response"]["body_bytes"] == 44);
    CHECK(events[0]["attributes"]["network.protocol.version"] == "1.1");
    const json& attributes = events[1]["attributes"];
    CHECK(attributes["network.protocol.version"] == "2");
    CHECK(attributes["http.request.body.size"] == 3);
    CHECK_FALSE(attributes.contains("telinject.http.end"));
  }
}

TEST_CASE("an upgraded request that is not sampled is not answered in the stream either") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out, in;
  p.connect(&lane, 1, HttpRole::kClient);
  goes_on_as_stream(&p, &lane, 1, 0, false);
  p.headers(&lane, 1, 3, 0, out.block(asks("/b")), kLast, HttpProgram::own_trace(2));
  p.headers(&lane, 1, 1, 0, in.block(answers(200)), kHttpFromPeer | kLast);
  p.headers(&lane, 1, 3, 1, in.block(answers(201)), kHttpFromPeer | kLast);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[1]["http"]["response"]["status_code"] == 201);
}

TEST_CASE("blocks that come by several lanes are decoded in their order") {
  HttpProgram p;
  LaneWriter one = p.thread(0, 1), two = p.thread(1, 2), three = p.thread(2, 3);
  Deflater out;
  p.connect(&one, 1, HttpRole::kClient, 0x0304);
  HttpContext context = HttpProgram::own_trace(1);
  std::string first = out.block(asks("/1", {{"x-new", "value"}}));
  std::string second = out.block(asks("/2", {{"x-new", "value"}}));
  std::string third = out.block(asks("/3", {{"x-new", "value"}}));
  CHECK(second.size() < first.size());  // it refers to what the first one taught
  // The collector reads the first lane first. (In one lane blocks are in their order.)
  p.headers(&one, 1, 5, 2, third, kLast, context);
  p.headers(&two, 1, 3, 1, second, kLast, context);
  p.headers(&three, 1, 1, 0, first, kLast, context);
  std::vector<json> events = p.events();
  std::vector<std::string> urls;
  for (const json& event : events) {
    if (event["event_type"] != "http_request") continue;
    urls.push_back(event["http"]["request"]["url"]);
    CHECK(event["http"]["request"]["headers"]["x-new"] == "value");
  }
  std::sort(urls.begin(), urls.end());
  CHECK(urls == std::vector<std::string>{"https://shop.example/1", "https://shop.example/2",
                                         "https://shop.example/3"});
}

TEST_CASE("a block that is missing ends what can be told of its direction") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out;
  p.connect(&lane, 1, HttpRole::kClient, 0x0304);
  HttpContext context = HttpProgram::own_trace(1);
  p.headers(&lane, 1, 1, 0, out.block(asks("/1")), kLast, context);
  out.block(asks("/lost"));
  for (uint32_t i = 2; i < 200; i++) {
    p.headers(&lane, 1, 2 * i + 1, i, out.block(asks("/x")), kLast, context);
  }
  std::vector<json> events = p.events();
  CHECK(story(events) == "request response");
}

TEST_CASE("a response that cannot be read is no error, and its event is whole") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out;
  p.connect(&lane, 1, HttpRole::kClient);
  p.headers(&lane, 1, 1, 0, out.block(asks("/")), kLast, HttpProgram::own_trace(1));
  p.headers(&lane, 1, 1, 0, std::string(20, '\xff'), kHttpFromPeer | kLast);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[1]["severity"] == "WARN");
  CHECK_FALSE(events[1].contains("error"));
  CHECK(events[1]["http"]["response"] ==
        json({{"headers", json::object()}, {"body_bytes", 0}, {"content_type", "unknown"}}));
}

TEST_CASE("a server's stream takes the trace that it brings") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater in;
  p.connect(&lane, 1, HttpRole::kServer, 0x0304);
  HttpContext context = HttpProgram::own_trace(6);
  context.parent = HttpParent::kHeaders;
  auto with = [&](const char* flags) {
    return in.block(asks("/", {{"traceparent", std::string("00-000000000000000700000000000000ab-"
                                                           "00000000000000cd-") +
                                                   flags}}));
  };
  p.headers(&lane, 1, 1, 0, with("01"), kHttpFromPeer | kLast, context);
  p.enter(&lane, 'h', 0);
  p.leave(&lane, 'h', 0);
  p.headers(&lane, 1, 3, 1, with("00"), kHttpFromPeer | kLast, context);
  p.headers(&lane, 1, 5, 2, in.block(asks("/own")), kHttpFromPeer | kLast, context);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request +h -h request response response");
  CHECK(events[0]["trace_id"] == "000000000000000700000000000000ab");
  CHECK(events[0]["parent_span_id"] == "00000000000000cd");
  CHECK(events[1]["parent_span_id"] == events[0]["span_id"]);
  CHECK(events[3]["trace_id"] == trace_text(trace_id(p.key(), 0, 6)));
  CHECK(events[3]["parent_span_id"].is_null());
}

TEST_CASE("a stream that was reset") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out;
  p.connect(&lane, 1, HttpRole::kClient, 0x0304);
  p.headers(&lane, 1, 1, 0, out.block(asks("/")), kLast, HttpProgram::own_trace(1));
  HttpEndMessage head = {};
  head.connection = 1;
  head.stream = 1;
  head.ticks = p.ticks + 1;
  head.error = 8;
  head.reason = HttpEndReason::kReset;
  p.put(&lane, MessageType::kHttpEnd, head);
  CHECK(event_of(p.events(), "http_response")["error"]["type"] == "CANCEL");
}

TEST_CASE("a reset after the end says nothing more") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out, in;
  p.connect(&lane, 1, HttpRole::kClient, 0x0304);
  p.headers(&lane, 1, 1, 0, out.block(asks("/")), kLast, HttpProgram::own_trace(1));
  p.headers(&lane, 1, 1, 0, in.block(answers(204)), kHttpFromPeer | kLast);
  HttpEndMessage head = {};
  head.connection = 1;
  head.stream = 1;
  head.ticks = p.ticks + 1;
  head.reason = HttpEndReason::kReset;
  p.put(&lane, MessageType::kHttpEnd, head);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[1]["severity"] == "INFO");
}

TEST_CASE("a request body of HTTP/2 is counted to its end") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out, in;
  p.connect(&lane, 1, HttpRole::kClient, 0x0304);
  p.headers(&lane, 1, 1, 0, out.block(asks("/up")), 0, HttpProgram::own_trace(1));
  p.half_end(&lane, 1, 1, /*from_peer=*/false, 1234);
  p.headers(&lane, 1, 1, 0, in.block(answers(200)), kHttpFromPeer | kLast);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[0]["http"]["request"]["body_bytes"] == 1234);
}

TEST_CASE("a connection that another thread closes has told all of its exchanges") {
  HttpProgram p;
  // The collector reads the closing thread's lane first.
  LaneWriter closes = p.thread(0, 1), asks_it = p.thread(1, 2), reads = p.thread(2, 3);
  Deflater out, in;
  p.connect(&asks_it, 1, HttpRole::kClient);
  constexpr uint32_t kStreams = 100;
  for (uint32_t i = 0; i < kStreams; i++) {
    p.headers(&asks_it, 1, 2 * i + 1, i, out.block(asks("/" + std::to_string(i))), kLast,
              HttpProgram::own_trace(i + 1));
    p.headers(&reads, 1, 2 * i + 1, i, in.block(answers(200, {{"x-n", std::to_string(i)}})),
              kHttpFromPeer | kLast);
  }
  p.close(&closes, 1, kStreams, kStreams);
  std::vector<json> events = p.events();
  REQUIRE(events.size() == 2 * kStreams);
  for (const json& event : events) {
    CHECK(event["severity"] == "INFO");
    if (event["event_type"] == "http_request") continue;
    CHECK(event["http"]["response"]["status_code"] == 200);
    CHECK(event["http"]["response"]["headers"].size() == 2);
  }
}

TEST_CASE("what a closed connection's other lanes never tell is ended by its end") {
  HttpProgram p;
  LaneWriter closes = p.thread(0, 1), asks_it = p.thread(1, 2);
  Deflater out;
  p.connect(&asks_it, 1, HttpRole::kClient);
  p.headers(&asks_it, 1, 1, 0, out.block(asks("/")), kLast, HttpProgram::own_trace(1));
  p.close(&closes, 1, 3, 2);  // two blocks more, and two answers, were lost
  const json end = event_of(p.events(), "http_response");
  CHECK(end["attributes"]["telinject.http.end"] == "closed");
  CHECK(end["error"]["type"] == "connection_closed");
}

namespace {

Fields calls(const Fields& more = {}) {
  Fields fields = {{":method", "POST"},
                   {":scheme", "http"},
                   {":path", "/shop.Orders/Place"},
                   {":authority", "shop.example:50051"},
                   {"content-type", "application/grpc+proto"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
const Fields kGrpcAnswer = {{":status", "200"}, {"content-type", "application/grpc"}};

// One call, its response's blocks, of which the last ends the stream.
std::vector<json> grpc(HttpRole role, const std::vector<Fields>& blocks) {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out, in;
  bool server = role == HttpRole::kServer;
  uint16_t asked = server ? kHttpFromPeer : 0, answered = server ? 0 : kHttpFromPeer;
  p.connect(&lane, 1, role);
  p.headers(&lane, 1, 1, 0, out.block(calls()), asked, HttpProgram::own_trace(1));
  p.half_end(&lane, 1, 1, server, 10);
  for (size_t i = 0; i < blocks.size(); i++) {
    uint16_t last = i + 1 == blocks.size() ? kLast : 0;
    p.headers(&lane, 1, 1, static_cast<uint32_t>(i), in.block(blocks[i]), answered | last);
  }
  return p.events();
}

}  // namespace

TEST_CASE("a gRPC call has its names and its status") {
  std::vector<json> events =
      grpc(HttpRole::kClient, {kGrpcAnswer, {{"grpc-status", "0"}, {"x-token", "secret"}}});
  REQUIRE(story(events) == "request response");
  for (const json& event : events) {
    CHECK(event["event"]["name"] == "shop.Orders/Place");
    CHECK(event["attributes"]["rpc.system"] == "grpc");
    CHECK(event["attributes"]["rpc.service"] == "shop.Orders");
    CHECK(event["attributes"]["rpc.method"] == "Place");
  }
  const json& attributes = events[1]["attributes"];
  CHECK(attributes["rpc.grpc.status_code"] == 0);
  CHECK(attributes["http.response.trailer.grpc-status"] == "0");
  CHECK(attributes["http.response.trailer.x-token"] == "REDACTED");
  CHECK(events[1]["severity"] == "INFO");
  CHECK_FALSE(events[1].contains("error"));
}

TEST_CASE(
    "a gRPC status is an error of the client unless it is OK, of the server if it is its own") {
  for (int status = 0; status <= 17; status++) {
    for (HttpRole role : {HttpRole::kClient, HttpRole::kServer}) {
      bool early = status % 2 == 0;  // at once, without trailers
      Fields told = {{"grpc-status", std::to_string(status)}, {"grpc-message", "a%20b c"}};
      Fields both = kGrpcAnswer;
      both.insert(both.end(), told.begin(), told.end());
      json end =
          grpc(role, early ? std::vector<Fields>{both} : std::vector<Fields>{kGrpcAnswer, told})[1];
      bool own = status == 2 || status == 4 || (status >= 12 && status <= 15);
      bool failed = role == HttpRole::kServer ? own : status != 0;
      CAPTURE(status, early, end.dump());
      CHECK(end["attributes"]["rpc.grpc.status_code"] == status);
      CHECK(end["severity"] == (failed ? "ERROR" : "INFO"));
      if (status == 14) CHECK(end["error"]["type"] == "UNAVAILABLE");
      if (status == 14) CHECK(end["error"]["message"] == "gRPC UNAVAILABLE: a b c");
      if (status == 17 && failed) CHECK(end["error"]["type"] == "CODE_17");
    }
  }
}

TEST_CASE("a stream that is reset when the response is whole has not failed") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  Deflater out, in;
  p.connect(&lane, 1, HttpRole::kClient);
  p.headers(&lane, 1, 1, 0, out.block(calls()), 0, HttpProgram::own_trace(1));
  p.headers(&lane, 1, 1, 0, in.block(kGrpcAnswer), kHttpFromPeer);
  p.headers(&lane, 1, 1, 1, in.block({{"grpc-status", "0"}}), kHttpFromPeer | kLast);
  HttpEndMessage head = {};
  head.connection = 1;
  head.stream = 1;
  head.ticks = p.ticks + 1;
  head.error = 8;
  head.reason = HttpEndReason::kReset;
  p.put(&lane, MessageType::kHttpEnd, head);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[1]["severity"] == "INFO");
  CHECK(events[1]["attributes"]["rpc.grpc.status_code"] == 0);
}

}  // namespace telinject::test::http2_events_test
