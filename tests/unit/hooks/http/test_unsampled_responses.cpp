// Answers to requests that are not recorded: left unread, and the next answer is found all the
// same.
#include <catch2/catch.hpp>

#include <algorithm>

#include "hooks/http/unsampled_responses.h"
#include "unit/hooks/http/heard.h"

using namespace telinject;
using namespace telinject::program;
using heard::g_lines;
using heard::text;
using heard::Wire;

namespace {

constexpr Way kSent = Way::kSent;

const std::string kOut = "GET /out HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kIn = "GET /in HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kAnswerOut = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnone";
const std::string kAnswerIn = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";

// What is reported of one exchange, kIn answered by kAnswerIn.
std::string recorded(int number) {
  std::string n = std::to_string(number);
  return "< request " + n + " GET /in HTTP/1.1|Host: x|\n> response " + n +
         " HTTP/1.1 404 Not Found|Content-Length: 2|\n= end complete " + n + " sent 2 received 0\n";
}

// Requests of which the block contains "out" are left out as long as this lives; nobody has asked
// which trace a thread is in.
class LeavesOut {
 public:
  LeavesOut() {
    heard::g_left_out = "out";
    g_lines.clear();
  }
  ~LeavesOut() {
    heard::g_left_out.clear();
    g_process.context_asked.store(false);
  }
  LeavesOut(const LeavesOut&) = delete;
  LeavesOut& operator=(const LeavesOut&) = delete;
};

bool unread(Wire& wire) {
  return is_unread(wire.connection());
}

}  // namespace

TEST_CASE("unread answers: the next one that is recorded is found") {
  LeavesOut leaves_out;
  Wire wire;
  wire.received(kOut).sent(kAnswerOut);
  CHECK(unread(wire));
  CHECK(wire.connection().open.load() == 0);
  wire.received(kOut).sent(kAnswerOut).received(kIn).sent(kAnswerIn);
  CHECK_FALSE(unread(wire));
  wire.received(kOut).sent(kAnswerOut);
  CHECK(unread(wire));
  wire.received(kIn).sent(kAnswerIn).closed();
  CHECK(text() == recorded(3) + recorded(5));
}

TEST_CASE("unread answers: whatever they are, and however they are cut") {
  const std::string answers[] = {
      kAnswerOut,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "\r\n" + kAnswerOut,
  };
  for (const std::string& answer : answers) {
    for (size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, ~size_t{0}}) {
      INFO(answer << " in pieces of " << piece);
      LeavesOut leaves_out;
      Wire wire;
      wire.received(kOut);
      for (size_t at = 0; at < answer.size(); at += std::min(piece, answer.size())) {
        wire.sent(answer.substr(at, piece));
      }
      CHECK(unread(wire));
      wire.received(kIn).sent(kAnswerIn).closed();
      CHECK(text() == recorded(2));
    }
  }
}

TEST_CASE("unread answers: bytes that are not at hand") {
  LeavesOut leaves_out;
  Wire wire;
  wire.received(kOut).sent("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").unseen(kSent, 60);
  wire.unseen(kSent, 40).received(kIn).sent(kAnswerIn);
  CHECK(text() == recorded(2));
}

TEST_CASE("unread answers: a request with a body, answered before it is complete") {
  LeavesOut leaves_out;
  Wire wire;
  wire.received("POST /out HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n");
  wire.sent("HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(unread(wire));
  wire.received("abc").sent("HTTP/1.1 413 Too Large\r\n").received("def");
  wire.sent("Content-Length: 0\r\n\r\n").received(kIn).sent(kAnswerIn);
  CHECK(text() == recorded(2));
}

TEST_CASE("unread answers: pipelined requests are all read") {
  SECTION("in one piece") {
    LeavesOut leaves_out;
    Wire wire;
    wire.received(kOut + kIn + kOut).sent(kAnswerOut + kAnswerIn + kAnswerOut);
    CHECK_FALSE(unread(wire));
    wire.received(kIn).sent(kAnswerIn);
    CHECK(text() == recorded(2) + recorded(4));
  }
  SECTION("before the first answer begins") {
    LeavesOut leaves_out;
    Wire wire;
    wire.received(kOut).received(kOut).received(kIn);
    wire.sent(kAnswerOut + "HTTP/1.1 20").sent("4 No Content\r\n\r\n" + kAnswerIn);
    CHECK_FALSE(unread(wire));
    CHECK(text() == recorded(3));
  }
  SECTION("after it has begun") {
    LeavesOut leaves_out;
    Wire wire;
    wire.received(kOut).sent("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").received(kIn);
    wire.sent("def").unseen(kSent, 3).sent(kAnswerIn);
    CHECK(text() == recorded(2));
  }
  SECTION("after it has begun, and it is not the next that is recorded") {
    LeavesOut leaves_out;
    Wire wire;
    wire.received(kOut).sent("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc").received(kOut);
    wire.sent("def").sent(kAnswerOut).received(kIn).sent(kAnswerIn).received(kIn).sent(kAnswerIn);
    CHECK(text() == recorded(3) + recorded(4));
  }
}

TEST_CASE("unread answers: where none is found, no other is taken for it") {
  LeavesOut leaves_out;
  Wire wire;
  wire.received(kOut).sent(kAnswerOut);
  SECTION("it was not at hand") {
    wire.received(kOut).unseen(kSent, 300);
  }
  SECTION("it was not HTTP") {
    wire.received(kOut).sent("ICY 200 OK\r\n\r\n");
  }
  SECTION("of requests that were sent ahead") {
    wire.received(kOut).sent("the rest");
  }
  wire.received(kIn).sent(kAnswerIn);
  CHECK(wire.connection().protocol.load() == Protocol::kGivenUp);
  CHECK(text() == "! an exchange that is not read\n");
}

TEST_CASE("unread answers: not where HTTP may end") {
  LeavesOut leaves_out;
  Wire wire;
  SECTION("a connection that is upgraded") {
    wire.received("GET /out HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    wire.sent("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    CHECK(wire.connection().protocol.load() == Protocol::kOther);
  }
  SECTION("to HTTP/2") {
    wire.received("GET /out HTTP/1.1\r\nupgrade: h2c\r\n\r\n");
    wire.sent("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n");
    CHECK(wire.connection().protocol.load() == Protocol::kHttp2);
  }
  SECTION("a tunnel") {
    wire.received("CONNECT out:1 HTTP/1.1\r\n\r\n").sent("HTTP/1.1 200 OK\r\n\r\n");
    CHECK(wire.connection().protocol.load() == Protocol::kOther);
  }
}

TEST_CASE("unread answers: a connection that ends") {
  SECTION("in one of them") {
    LeavesOut leaves_out;
    Wire wire;
    wire.received(kOut).sent("HTTP/1.1 200 OK\r\n\r\nabc").closed();
    CHECK(text().empty());
  }
  SECTION("before the next one begins") {
    LeavesOut leaves_out;
    Wire wire;
    wire.received(kOut).sent(kAnswerOut).received(kIn).closed();
    CHECK(g_lines.back() == "= end closed 2 sent 0 received 0");
  }
  SECTION("and what came next was no answer") {
    LeavesOut leaves_out;
    Wire wire;
    wire.received(kOut).sent(kAnswerOut).received(kIn).sent("ICY 200 OK\r\n\r\n").closed();
    CHECK(g_lines.back() == "= end unparsed 2 sent 0 received 0");
  }
}

TEST_CASE("unread answers: none once a serving thread has asked for its trace") {
  LeavesOut leaves_out;
  Wire wire;
  wire.received(kOut).sent(kAnswerOut);
  CHECK(unread(wire));
  g_process.context_asked.store(true);
  wire.received(kOut).sent(kAnswerOut);
  CHECK_FALSE(unread(wire));
  wire.received(kIn).sent(kAnswerIn);
  CHECK(text() == recorded(3));
}

TEST_CASE("unread answers: a client's are read") {
  LeavesOut leaves_out;
  Wire wire;
  wire.sent(kOut).received(kAnswerOut);
  CHECK_FALSE(unread(wire));
  wire.sent(kIn).received(kAnswerIn);
  CHECK(g_lines.size() == 3);
}
