// A connection that spoke HTTP and cannot be read any more: what it goes on to carry is counted.
#include <catch2/catch.hpp>

#include <algorithm>

#include "hooks/http/given_up.h"
#include "unit/hooks/http/heard.h"

using namespace telinject;
using namespace telinject::program;
using heard::g_lines;
using heard::Wire;

namespace {

const std::string kGet = "GET / HTTP/1.1\r\n\r\n";
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
const std::string kUnread = "! an exchange that is not read";

int64_t unread() {
  return std::count(g_lines.begin(), g_lines.end(), kUnread);
}

// Given up by an answer that is none.
void give_up_by_answer(Wire* wire) {
  wire->sent(kGet).received("HTTP/1.1 2x0 OK\r\n\r\n");
  REQUIRE(g_lines.back() == "= end unparsed 1 sent 0 received 0");
}

}  // namespace

TEST_CASE("given up: later exchanges are counted, each once") {
  g_lines.clear();
  Wire wire(HttpRole::kClient);
  give_up_by_answer(&wire);
  CHECK(unread() == 0);
  for (int i = 0; i < 3; i++) {
    wire.sent("POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n").sent("some text").received(kOk);
  }
  CHECK(unread() == 3);
  // Bodies, answers and what is no request do not count.
  wire.sent("{\"a\": 1}").sent("word").sent("two words").received("GET / HTTP/1.1\r\n\r\n");
  wire.unseen(Way::kSent, 100).unseen(Way::kReceived, 100).ended(Way::kReceived).closed();
  CHECK(unread() == 3);
  CHECK(g_lines.size() == 2 + 3);
}

TEST_CASE("given up: the request that cannot be read counts itself") {
  for (const char* request :
       {"GET / HTTP/1.1\r\nA b\r\n\r\n", "GET / HTTP/1.1\r\n\x01: x\r\n\r\n",
        "BAN /x HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"}) {
    INFO(request);
    for (bool first : {true, false}) {
      g_lines.clear();
      Wire wire;
      if (!first) wire.received(kGet).sent(kOk);
      wire.received(request);
      CHECK(wire.connection().protocol.load() == Protocol::kGivenUp);
      CHECK(unread() == 1);
      wire.sent("HTTP/1.1 400 Bad Request\r\n\r\n").received(kGet).sent(kOk);
      CHECK(unread() == 2);
    }
  }
}

TEST_CASE("given up: where no HTTP was spoken nothing is counted") {
  for (const char* other : {"INVITE sip:bob@b.example SIP/2.0\r\nVia: x\r\n\r\n",
                            "DESCRIBE rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n", "EHLO x\r\n",
                            "get key\r\n", "*1\r\n$4\r\nPING\r\n", "NICK joe\r\n"}) {
    INFO(other);
    g_lines.clear();
    Wire wire;
    wire.sent(other).sent(kGet).received(kOk).closed();
    CHECK(g_lines.empty());
  }
}

TEST_CASE("given up: HTTP/2 counts the turns of the client") {
  g_lines.clear();
  Wire wire;
  const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
  wire.sent("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + std::string("\0\0\1\1\5\0\0\0\1x", 10));
  wire.received(settings).sent(std::string("\0\0\0\1\4\0\0\0\0", 9));  // HEADERS of no stream
  REQUIRE(wire.connection().protocol.load() == Protocol::kGivenUp);
  g_lines.clear();
  wire.received("a").sent("b").sent("c").received("d").received("e").sent("f");
  CHECK(unread() == 2);
}

TEST_CASE("given up: what looks like a request") {
  auto looks = [](std::string_view text) {
    return looks_like_request(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  for (const char* text :
       {"GET / HTTP/1.1\r\n", "BAN * HTTP/1.0\n", "get http://a/b?c HTTP/1.1\r\nA",
        "CONNECT a:1 HTTP/1.1\r\n", "GET /beginning-of-a-long", "G /"}) {
    CHECK(looks(text));
  }
  for (const char* text : {"", "GET", "GET ", " GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n",
                           "GET / RTSP/1.0\r\n", "two words", "G(T / HTTP/1.1\r\n", "a /b\r\n",
                           "GET /HTTP/1.1\r\n", "INVITE sip:b SIP/2.0\r\n HTTP/1.1"}) {
    INFO(text);
    CHECK_FALSE(looks(text));
  }
}
