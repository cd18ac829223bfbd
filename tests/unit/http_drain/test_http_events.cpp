// From messages of HTTP/1 to events.
#include <catch2/catch.hpp>

#include "http_program.h"

namespace telinject::test::http_events_test {
using namespace drain;

TEST_CASE("a client's exchange is a pair of events of one span") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 4712);
  p.connect(&lane, 1, HttpRole::kClient);
  uint64_t place = p.request(
      &lane, 1, 1,
      get("/cart?id=7&token=abc", "Authorization: Bearer x\r\nAccept: a\r\naccept: b\r\n"),
      HttpProgram::own_trace(5), 0, 0, /*earlier=*/10);
  p.response(&lane, 1, 1, ok("Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 12\r\n"));
  p.end(&lane, 1, 1, HttpEndReason::kComplete, 0, 12);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  const json &request = events[0], &response = events[1];
  CHECK(request["span_id"] == hex16(span_id(p.key(), 0, place)));
  CHECK(response["span_id"] == request["span_id"]);
  CHECK(request["trace_id"] == trace_text(trace_id(p.key(), 0, 5)));
  CHECK(request["parent_span_id"].is_null());
  CHECK(request["sequence"] == 1);
  CHECK(response["sequence"] == 2);
  CHECK(request["severity"] == "INFO");
  CHECK(response["severity"] == "INFO");
  CHECK(response["duration_ns"] == 12);  // from its first byte, ten ticks before its message
  CHECK(request["http"]["request"] ==
        json({{"method", "GET"},
              {"url", "http://shop.example:8080/cart?id=7&token=REDACTED"},
              {"headers",
               {{"Host", "shop.example:8080"},
                {"User-Agent", "test/1"},
                {"Authorization", "REDACTED"},
                {"Accept", "a, b"}}},
              {"body_bytes", 0},
              {"user_agent", "test/1"}}));
  CHECK(
      response["http"]["response"] ==
      json(
          {{"status_code", 200},
           {"headers",
            {{"Content-Type", "text/plain"}, {"Set-Cookie", "REDACTED"}, {"Content-Length", "12"}}},
           {"body_bytes", 12},
           {"content_type", "text/plain"}}));
  for (const json& event : events) {
    const json& attributes = event["attributes"];
    CHECK(attributes["http.request.method"] == "GET");
    CHECK(attributes["url.full"] == "http://shop.example:8080/cart?id=7&token=REDACTED");
    CHECK(attributes["url.scheme"] == "http");
    CHECK(attributes["server.address"] == "shop.example");
    CHECK(attributes["server.port"] == 8080);
    CHECK(attributes["network.protocol.name"] == "http");
    CHECK(attributes["network.protocol.version"] == "1.1");
    CHECK(attributes["network.peer.address"] == "10.0.0.7");
    CHECK(attributes["network.peer.port"] == 8080);
    CHECK(attributes["span.kind"] == "client");
    CHECK(attributes["thread_id"] == 4712);
    CHECK_FALSE(attributes.contains("tls.protocol.version"));
  }
  CHECK(response["attributes"]["http.response.status_code"] == 200);
  CHECK(response["attributes"]["telinject.http.first_byte_ns"] == 11);
  CHECK(request["event"] == json({{"name", "GET"}, {"category", "network"}, {"type", "start"}}));
  CHECK(request["message"] == "GET http://shop.example:8080/cart");
  CHECK(response["message"] == "GET http://shop.example:8080/cart 200 (0.00ms)");
}

TEST_CASE("a server's exchange") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 3, HttpRole::kServer, 0x0304);
  HttpContext context = HttpProgram::in_trace(HttpParent::kIncoming, {7, 8}, 9);
  p.request(&lane, 3, 1, "POST /a?b HTTP/1.0\r\nContent-Length: 5\r\n", context, kHttpFromPeer);
  p.response(&lane, 3, 1, "HTTP/1.0 404 Not Found\r\n", 0);
  p.end(&lane, 3, 1, HttpEndReason::kComplete, /*sent=*/3, /*received=*/5);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[0]["trace_id"] == "00000000000000070000000000000008");
  CHECK(events[0]["parent_span_id"] == "0000000000000009");
  CHECK(events[0]["http"]["request"]["url"] == "https://10.0.0.1:40000/a?b");
  CHECK(events[0]["http"]["request"]["body_bytes"] == 5);
  CHECK(events[0]["http"]["request"]["user_agent"] == "unknown");
  CHECK(events[1]["http"]["response"]["body_bytes"] == 3);
  CHECK(events[1]["http"]["response"]["content_type"] == "unknown");
  // What a client did wrong is no error of its server's.
  CHECK(events[1]["severity"] == "INFO");
  CHECK(events[1]["attributes"]["span.kind"] == "server");
  CHECK(events[1]["attributes"]["url.path"] == "/a");
  CHECK(events[1]["attributes"]["url.query"] == "b");
  CHECK(events[1]["attributes"]["tls.protocol.version"] == "1.3");
  CHECK(events[1]["attributes"]["network.protocol.version"] == "1.0");
}

TEST_CASE("statuses that are errors, and to whom") {
  auto severity = [](int status, bool server) {
    HttpProgram p;
    LaneWriter lane = p.thread(0, 1);
    p.connect(&lane, 1, server ? HttpRole::kServer : HttpRole::kClient);
    p.request(&lane, 1, 1, get("/"), HttpProgram::own_trace(1), server ? kHttpFromPeer : 0);
    p.response(&lane, 1, 1, "HTTP/1.1 " + std::to_string(status) + " X\r\n",
               server ? 0 : kHttpFromPeer);
    p.end(&lane, 1, 1);
    json event = event_of(p.events(), "http_response");
    if (event["severity"] == "ERROR") {
      CHECK(event["error"]["type"] == std::to_string(status));
      CHECK(event["attributes"]["error.type"] == std::to_string(status));
    }
    return event["severity"].get<std::string>();
  };
  CHECK(severity(304, false) == "INFO");
  CHECK(severity(404, false) == "ERROR");
  CHECK(severity(404, true) == "INFO");
  CHECK(severity(503, true) == "ERROR");
  CHECK(severity(599, false) == "ERROR");
}

TEST_CASE("a slow response is a warning") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  p.ticks -= 3000000000;
  p.request(&lane, 1, 1, get("/"), HttpProgram::own_trace(1));
  p.ticks += 1500000000;
  p.response(&lane, 1, 1, ok());
  p.end(&lane, 1, 1);
  CHECK(event_of(p.events(), "http_response")["severity"] == "WARN");
}

TEST_CASE("messages of an exchange come by several lanes, in any order") {
  HttpProgram p;
  LaneWriter one = p.thread(0, 11), two = p.thread(1, 12);
  p.connect(&two, 1, HttpRole::kClient);
  p.end(&two, 1, 1, HttpEndReason::kComplete, 0, 4);
  p.response(&two, 1, 1, ok());
  p.request(&one, 1, 1, get("/late"), HttpProgram::own_trace(1));
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[1]["attributes"]["thread_id"] == 11);
  CHECK(events[1]["http"]["response"]["body_bytes"] == 4);
  CHECK(events[1]["duration_ns"] == 0);
}

TEST_CASE("pipelined requests keep apart") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  for (uint32_t i = 1; i <= 3; i++) {
    p.request(&lane, 1, i, get("/" + std::to_string(i)), HttpProgram::own_trace(i));
  }
  for (uint32_t i = 1; i <= 3; i++) {
    p.response(&lane, 1, i, "HTTP/1.1 100 Continue\r\n", kHttpFromPeer | kHttpInterim);
    p.response(&lane, 1, i, "HTTP/1.1 20" + std::to_string(i) + " X\r\n");
    p.end(&lane, 1, i);
  }
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request request request response response response");
  for (size_t i = 0; i < 3; i++) {
    CHECK(events[i]["span_id"] == events[i + 3]["span_id"]);
    CHECK(events[i + 3]["http"]["response"]["status_code"] == 201 + i);
  }
}

TEST_CASE("a client's body without a length is counted when it is known") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  p.request(&lane, 1, 1, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
            HttpProgram::own_trace(1));
  p.response(&lane, 1, 1, ok());
  p.end(&lane, 1, 1, HttpEndReason::kComplete, 77, 0);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  CHECK(events[0]["http"]["request"]["body_bytes"] == 77);
  CHECK(events[1]["attributes"]["http.request.body.size"] == 77);
}

TEST_CASE("what is not sampled is not written") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  HttpContext context = HttpProgram::own_trace(1);
  context.sampled = 0;
  p.request(&lane, 1, 1, get("/"), context);
  p.response(&lane, 1, 1, ok());
  p.end(&lane, 1, 1);
  CHECK(p.events().empty());
}

TEST_CASE("a header block that was cut is told as far as it goes") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  p.request(&lane, 1, 1, "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nAuthoriz",
            HttpProgram::own_trace(1), kHttpTruncated);
  p.response(&lane, 1, 1, ok());
  p.end(&lane, 1, 1);
  json event = event_of(p.events(), "http_request");
  CHECK(event["http"]["request"]["headers"] == json({{"Host", "a"}, {"X-One", "1"}}));
  CHECK(event["attributes"]["telinject.http.truncated"] == true);
}

TEST_CASE("a TLS connection that nobody decrypts is an event of its own kind") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 9, HttpRole::kClient, 0, "", 443);
  TlsConnectionMessage head = {};
  head.connection = 9;
  head.start_ticks = p.ticks + 1;
  head.context = HttpProgram::own_trace(3);
  uint64_t place = p.put(&lane, MessageType::kTlsConnection, head, "no hello at all");
  head.end_ticks = p.ticks + 1;
  head.sent_bytes = 517;
  head.received_bytes = 4096;
  p.put(&lane, MessageType::kTlsConnection, head);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "tls_connection");
  CHECK(events[0]["span_id"] == hex16(span_id(p.key(), 0, place)));
  CHECK(events[0]["attributes"]["telinject.tls.sent_bytes"] == 517);
  CHECK(events[0]["attributes"]["telinject.tls.received_bytes"] == 4096);
  CHECK(events[0]["attributes"]["network.peer.address"] == "10.0.0.7");
  CHECK(events[0]["duration_ns"] == 1);
}

TEST_CASE("trailers of HTTP/1 are told with the response, without secrets") {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  p.connect(&lane, 1, HttpRole::kClient);
  p.request(&lane, 1, 1, get("/", "Transfer-Encoding: chunked\r\n"), HttpProgram::own_trace(1));
  p.request(&lane, 1, 1, "X-Sum: 1\r\n", {}, kHttpTrailers);
  p.response(&lane, 1, 1, ok("Trailer: X-Sum, X-Secret\r\n"));
  p.response(&lane, 1, 1, "X-Sum: 2\r\nX-Sum: 3\r\nX-Secret: s3cr3t\r\n",
             kHttpFromPeer | kHttpTrailers);
  p.end(&lane, 1, 1);
  std::vector<json> events = p.events();
  REQUIRE(story(events) == "request response");
  const json& attributes = events[1]["attributes"];
  CHECK(attributes["http.request.trailer.x-sum"] == "1");
  CHECK(attributes["http.response.trailer.x-sum"] == "2, 3");
  CHECK(attributes["http.response.trailer.x-secret"] == "REDACTED");
}

}  // namespace telinject::test::http_events_test
