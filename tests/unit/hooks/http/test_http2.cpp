// HTTP/2: header blocks, bodies' lengths and ends of streams, whatever way the bytes are cut.
#include <catch2/catch.hpp>

#include "unit/hooks/http/heard.h"

using namespace telinject;
using namespace telinject::program;
using heard::cut;
using heard::g_lines;
using heard::Passing;
using heard::text;
using heard::Wire;

namespace {

constexpr Way kSent = Way::kSent, kReceived = Way::kReceived;
const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum Type { kData, kHeaders, kPriority, kReset, kSettings, kPush, kPing, kGoAway, kWindow, kMore };

std::string number(uint32_t value, int bytes) {
  std::string out;
  while (bytes-- > 0) out += static_cast<char>(value >> (8 * bytes));
  return out;
}

std::string frame(int type, int flags, uint32_t stream, const std::string& payload = "") {
  return number(static_cast<uint32_t>(payload.size()), 3) + static_cast<char>(type) +
         static_cast<char>(flags) + number(stream, 4) + payload;
}

const std::string kSettingsFrame = frame(kSettings, 0, 0, std::string("\0\3\0\0\0\x64", 6));

struct Case {
  const char* name;
  std::vector<Passing> conversation;
  std::string wanted;
};

const Case kCases[] = {
    {"a request and its response",
     {{kSent, kPreface + kSettingsFrame + frame(kHeaders, 5, 1, "ask")},
      {kReceived, kSettingsFrame + frame(kSettings, 1, 0) + frame(kHeaders, 4, 1, "answer") +
                      frame(kData, 0, 1, "abc") + frame(kData, 1, 1, "de")}},
     "> headers 1 opens ends #0 ask\n> end complete stream 1 sent 0 received 0\n"
     "< headers 1 #0 answer\n< end complete stream 1 sent 0 received 5\n"},
    {"a server that speaks first",
     {{kSent, kSettingsFrame},
      {kReceived,
       kPreface + kSettingsFrame + frame(kHeaders, 4, 1, "ask") + frame(kData, 1, 1, "body")},
      {kSent, frame(kHeaders, 5, 1, "answer")}},
     "< headers 1 opens #0 ask\n< end complete stream 1 sent 0 received 4\n"
     "> headers 1 ends #0 answer\n> end complete stream 1 sent 0 received 0\n"},
    {"padding and priority",
     {{kSent,
       kPreface + kSettingsFrame +
           frame(kHeaders, 4 | 8 | 32, 3, std::string("\4\0\0\0\1\x10", 6) + "ask" + "pad!") +
           frame(kData, 1 | 8, 3, std::string("\3") + "bodypad") +
           frame(kData, 8, 5, std::string("\0", 1))}},
     "> headers 3 opens #0 ask\n> end complete stream 3 sent 4 received 0\n"
     "= end closed sent 0 received 0\n"},
    {"continuations, and a frame nobody knows",
     {{kSent, kPreface + kSettingsFrame + frame(kHeaders, 1, 1, "a") + frame(kMore, 0, 1, "s") +
                  frame(kMore, 4, 1, "k") + frame(0x77, 0xff, 9, "whatever")}},
     "> headers 1 opens ends #0 ask\n> end complete stream 1 sent 0 received 0\n"},
    {"trailers",
     {{kSent, kPreface + kSettingsFrame + frame(kHeaders, 4, 1, "ask") + frame(kData, 0, 1, "xx") +
                  frame(kHeaders, 5, 1, "last")}},
     "> headers 1 opens #0 ask\n> headers 1 ends trailers #1 last\n"
     "> end complete stream 1 sent 2 received 0\n"},
    {"interleaved streams, one of them reset",
     {{kSent,
       kPreface + kSettingsFrame + frame(kHeaders, 5, 1, "one") + frame(kHeaders, 5, 3, "two")},
      {kReceived, kSettingsFrame + frame(kHeaders, 4, 3, "2") + frame(kHeaders, 4, 1, "1") +
                      frame(kData, 0, 3, "22") + frame(kData, 0, 1, "1") +
                      frame(kPing, 0, 0, "12345678") +
                      frame(kReset, 0, 3, std::string("\0\0\0\x8", 4)) + frame(kData, 1, 1, "")}},
     "> headers 1 opens ends #0 one\n> end complete stream 1 sent 0 received 0\n"
     "> headers 3 opens ends #1 two\n> end complete stream 3 sent 0 received 0\n"
     "< headers 3 #0 2\n< headers 1 #1 1\n= end reset stream 3 sent 0 received 2 error 8\n"
     "< end complete stream 1 sent 0 received 1\n"},
    {"a push",
     {{kSent, kPreface + kSettingsFrame + frame(kHeaders, 5, 1, "ask")},
      {kReceived, kSettingsFrame + frame(kPush, 4, 1, std::string("\0\0\0\2", 4) + "more") +
                      frame(kHeaders, 5, 2, "pushed") + frame(kHeaders, 5, 1, "answer")}},
     "> headers 1 opens ends #0 ask\n> end complete stream 1 sent 0 received 0\n"
     "< headers 1 promises 2 opens #0 more\n< headers 2 ends #1 pushed\n"
     "< end complete stream 2 sent 0 received 0\n< headers 1 ends #2 answer\n"
     "< end complete stream 1 sent 0 received 0\n"},
    {"from HTTP/1, in clear text",
     {{kSent, "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"},
      {kReceived,
       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nupgrade:  H2C\r\n\r\n" +
           kSettingsFrame + frame(kHeaders, 5, 1, "answer")},
      {kSent, kPreface + kSettingsFrame + frame(kHeaders, 5, 3, "next")}},
     "> request 1 GET / HTTP/1.1|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|\n"
     "< response interim 1 HTTP/1.1 101 Switching Protocols|Connection: Upgrade|upgrade:  H2C|\n"
     "= end upgraded 1 stream 1 sent 0 received 0\n"
     "< headers 1 ends #0 answer\n< end complete stream 1 sent 0 received 0\n"
     "> headers 3 opens ends #0 next\n> end complete stream 3 sent 0 received 0\n"},
    {"a block beyond the bound",
     {{kSent, kPreface + kSettingsFrame + frame(kHeaders, 0, 1, std::string(16000, 'h')) +
                  frame(kMore, 4, 1, std::string(1000, 'm'))}},
     "> headers 1 opens #0 16384:hhhhhhhhhhhhhhhhhhhh...mmmmmmmmmmmmmmmmmmmm truncated\n"},
};

}  // namespace

TEST_CASE("HTTP/2: the same messages however they are cut") {
  for (const Case& c : kCases) {
    INFO(c.name);
    // The connection is closed at the end, with streams that may be open.
    std::string wanted = c.wanted;
    if (wanted.find("= end closed") == std::string::npos)
      wanted += "= end closed sent 0 received 0\n";
    CHECK(cut(c.conversation, 0, ~size_t{0}) == wanted);
    size_t longest = 0;
    for (const Passing& part : c.conversation) longest = std::max(longest, part.bytes.size());
    size_t step = longest > 1000 ? 991 : 1;
    for (size_t first = 1; first < longest; first += step) {
      INFO("cut after " << first);
      REQUIRE(cut(c.conversation, first, ~size_t{0}) == wanted);
    }
    for (size_t piece : {1, 2, 3, 7, 11}) {
      INFO("in pieces of " << piece);
      REQUIRE(cut(c.conversation, piece, piece) == wanted);
    }
  }
}

TEST_CASE("HTTP/2: what is wrong ends it") {
  const std::string start = kPreface + kSettingsFrame;
  for (const std::string& wrong :
       {kPreface + frame(kHeaders, 5, 1, "no settings"), start + frame(kMore, 4, 1, "of what"),
        start + frame(kHeaders, 0, 1, "a") + frame(kMore, 4, 3, "another's"),
        start + frame(kHeaders, 0, 1, "a") + frame(kData, 0, 1, "between"),
        start + frame(kHeaders, 4, 0, "no stream"),
        start + frame(kHeaders, 4 | 8, 1,
                      "\x50"
                      "abc"),
        start + frame(kReset, 0, 1, "123"), start + frame(kData, 0, 0, "no stream"),
        std::string("PRI * HTTP/2.0\r\n\r\nXX")}) {
    for (size_t piece : {size_t{1}, ~size_t{0}}) {
      Wire wire;
      std::string_view rest = wrong;
      while (!rest.empty()) {
        wire.sent(rest.substr(0, piece));
        rest.remove_prefix(std::min(piece, rest.size()));
      }
      CHECK(wire.connection().protocol.load() == Protocol::kOther);
    }
  }
}

TEST_CASE("HTTP/2: bodies of many streams are counted, and forgotten") {
  g_lines.clear();
  Wire wire;
  wire.sent(kPreface + kSettingsFrame);
  for (uint32_t stream = 1; stream < 20001; stream += 2) {
    wire.sent(frame(kHeaders, 4, stream, "ask"));
    wire.sent(frame(kData, 0, stream, "xyz"));
    // Every second one is left open for ever, as by a reset that we did not see.
    if (stream % 4 == 1) wire.sent(frame(kData, 1, stream, "z"));
  }
  CHECK(g_lines.back() == "> headers 19999 opens #9999 ask");
  CHECK(std::count(g_lines.begin(), g_lines.end(),
                   "> end complete stream 19997 sent 4 received 0") == 1);
}

TEST_CASE("HTTP/2: bytes of a body that the program never had in hand") {
  g_lines.clear();
  Wire wire;
  wire.sent(kPreface + kSettingsFrame + frame(kHeaders, 4, 1, "ask"));
  wire.sent(number(1000, 3) + std::string("\0\1\0\0\0\1", 6));
  wire.unseen(kSent, 400).unseen(kSent, 600);
  CHECK(g_lines.back() == "> end complete stream 1 sent 1000 received 0");
  wire.unseen(kSent, 1);
  CHECK(wire.connection().protocol.load() == Protocol::kGivenUp);
}
