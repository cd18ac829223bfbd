// What stands before HTTP: stepped over, whatever way its bytes are cut, and told of the
// connection.
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

std::string bytes(std::initializer_list<int> values) {
  std::string all;
  for (int value : values) all += static_cast<char>(value);
  return all;
}

const std::string kGet = "GET / HTTP/1.1\r\n\r\n";
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
const std::string kSignature = "\r\n\r\n" + std::string(1, '\0') + "\r\nQUIT\n";

// A header of version 2, with addresses and what else stands behind them.
std::string proxy2(int command, int family, const std::string& rest) {
  auto size = static_cast<int>(rest.size());
  return kSignature + bytes({command, family, size >> 8, size & 0xff}) + rest;
}

const std::string kV4 = proxy2(0x21, 0x11, bytes({10, 1, 2, 3, 10, 0, 0, 1, 0x30, 0x39, 0, 80}));
const std::string kV6 =
    proxy2(0x21, 0x21, std::string(15, '\0') + "\x01" + std::string(16, 'd') + "\x01\x02\x03\x04");

std::string client_of(Wire& wire) {
  const Preamble& preamble = wire.connection().rest->preamble;
  return std::string(reinterpret_cast<const char*>(preamble.client), preamble.client_bytes) + ":" +
         std::to_string(preamble.client_port);
}
std::string target_of(Wire& wire) {
  const Preamble& preamble = wire.connection().rest->preamble;
  return std::string(reinterpret_cast<const char*>(preamble.target), preamble.target_bytes) + ":" +
         std::to_string(preamble.target_port);
}

// The same exchange behind a preamble, whatever way it is cut.
void check_cuts(const std::vector<Passing>& conversation, const std::string& wanted,
                HttpRole role) {
  CHECK(cut(conversation, 0, ~size_t{0}, role) == wanted);
  for (size_t first = 1; first < 60; first++) {
    INFO("cut after " << first);
    REQUIRE(cut(conversation, first, ~size_t{0}, role) == wanted);
  }
  for (size_t piece : {1, 2, 3, 7}) {
    INFO("in pieces of " << piece);
    REQUIRE(cut(conversation, piece, piece, role) == wanted);
  }
}

const std::string kServedOnce =
    "< request 1 GET / HTTP/1.1|\n> response 1 HTTP/1.1 200 OK|Content-Length: 1|\n"
    "= end complete 1 sent 1 received 0\n";
const std::string kAskedOnce =
    "> request 1 GET / HTTP/1.1|\n< response 1 HTTP/1.1 200 OK|Content-Length: 1|\n"
    "= end complete 1 sent 0 received 1\n";

}  // namespace

TEST_CASE("preamble: the PROXY protocol, both versions, all forms") {
  for (const std::string& header :
       {std::string("PROXY TCP4 10.1.2.3 10.0.0.1 12345 80\r\n"),
        std::string("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), std::string("PROXY UNKNOWN\r\n"),
        std::string("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), kV4, kV6, proxy2(0x20, 0x00, ""),
        proxy2(0x21, 0x31, std::string(216, 'u')),
        proxy2(0x21, 0x11, std::string(12, 'a') + "\x04\x00\x03xyz")}) {
    INFO(header);
    check_cuts({{kReceived, header + kGet}, {kSent, kOk}}, kServedOnce, HttpRole::kServer);
    check_cuts({{kSent, header + kGet}, {kReceived, kOk}}, kAskedOnce, HttpRole::kClient);
    check_cuts({{kReceived, header + kGet}, {kSent, kOk}}, kServedOnce, HttpRole::kUnknown);
  }
}

TEST_CASE("preamble: the client that a proxy speaks for") {
  Wire text_form(HttpRole::kServer);
  text_form.received("PROXY TCP4 10.1.2.3 10.0.0.1 12345 80\r\n");
  CHECK(client_of(text_form) == "10.1.2.3:12345");
  Wire binary(HttpRole::kServer);
  binary.received(kV4);
  CHECK(client_of(binary) == bytes({10, 1, 2, 3}) + ":12345");
  Wire six(HttpRole::kServer);
  six.received(kV6);
  CHECK(client_of(six) == std::string(15, '\0') + "\x01:258");
  for (const std::string& nobody :
       {std::string("PROXY UNKNOWN\r\n"), proxy2(0x20, 0x11, std::string(12, 'a')),
        proxy2(0x21, 0x11, "short"), std::string("PROXY TCP4 1.2.3.4\r\n"),
        std::string("PROXY TCP4 1.2.3.4 1.2.3.4 x 80\r\n"),
        std::string("PROXY TCP4 1.2.3.4 1.2.3.4 99999 80\r\n")}) {
    INFO(nobody);
    Wire wire(HttpRole::kServer);
    wire.received(nobody);
    CHECK(client_of(wire) == ":0");
    g_lines.clear();
    wire.received(kGet);
    CHECK(text() == "< request 1 GET / HTTP/1.1|\n");
  }
}

TEST_CASE("preamble: the PROXY protocol before TLS and before HTTP/2") {
  const std::string hello = "\x16\x03\x01" + bytes({0, 5, 1, 0, 0, 1, 0});
  g_lines.clear();
  {
    Wire wire(HttpRole::kServer);
    wire.received(kV4 + hello).closed();
  }
  CHECK(text() == "< tls 10\n< tls 0 closed, sent 0 received 10\n");
  g_lines.clear();
  {
    Wire wire(HttpRole::kServer);
    wire.received("PROXY UNKNOWN\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    CHECK(wire.connection().protocol.load() == Protocol::kHttp2);
  }
}

TEST_CASE("preamble: SOCKS 5 with and without a password, 4 and 4a") {
  const std::string methods = bytes({5, 1, 0}), none = bytes({5, 0});
  const std::string granted = bytes({5, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  const std::string to_address = bytes({5, 1, 0, 1, 10, 0, 0, 9, 0x1f, 0x90});
  const std::string to_name = bytes({5, 1, 0, 3, 7}) + "a.local" + bytes({0, 80});
  const std::string to_six = bytes({5, 1, 0, 4}) + std::string(16, 's') + bytes({0, 80});
  for (const std::string& request : {to_address, to_name, to_six}) {
    check_cuts({{kSent, methods},
                {kReceived, none},
                {kSent, request},
                {kReceived, granted},
                {kSent, kGet},
                {kReceived, kOk}},
               kAskedOnce, HttpRole::kClient);
    // All at once, as some clients do that know what the proxy will say.
    check_cuts({{kSent, methods + request + kGet}, {kReceived, none + granted + kOk}}, kAskedOnce,
               HttpRole::kClient);
  }
  const std::string password = bytes({1, 4}) + "user" + bytes({6}) + "secret";
  check_cuts({{kSent, bytes({5, 2, 0, 2})},
              {kReceived, bytes({5, 2})},
              {kSent, password},
              {kReceived, bytes({1, 0})},
              {kSent, to_name},
              {kReceived, bytes({5, 0, 0, 3, 2}) + "ab" + bytes({0, 1})},
              {kSent, kGet},
              {kReceived, kOk}},
             kAskedOnce, HttpRole::kClient);
  const std::string four = bytes({4, 1, 0, 80, 10, 0, 0, 9}) + "me" + bytes({0});
  const std::string four_a = bytes({4, 1, 0, 80, 0, 0, 0, 1, 0}) + "a.local" + bytes({0});
  const std::string yes = bytes({0, 0x5a, 0, 0, 0, 0, 0, 0});
  for (const std::string& request : {four, four_a}) {
    check_cuts({{kSent, request}, {kReceived, yes}, {kSent, kGet}, {kReceived, kOk}}, kAskedOnce,
               HttpRole::kClient);
    check_cuts({{kSent, request + kGet}, {kReceived, yes + kOk}}, kAskedOnce, HttpRole::kClient);
  }
}

TEST_CASE("preamble: whom SOCKS is asked for") {
  struct Case {
    std::string sent, wanted;
  };
  for (const Case& c :
       {Case{bytes({5, 1, 0, 5, 1, 0, 3, 7}) + "a.local" + bytes({0, 80}), "a.local:80"},
        Case{bytes({5, 1, 0, 5, 1, 0, 1, 9, 8, 7, 6, 0x1f, 0x90}), bytes({9, 8, 7, 6}) + ":8080"},
        Case{bytes({4, 1, 0, 80, 0, 0, 0, 1, 0}) + "b" + bytes({0}), "b:80"}}) {
    Wire wire(HttpRole::kClient);
    wire.sent(c.sent);
    CHECK(target_of(wire) == c.wanted);
    CHECK(wire.connection().proxied);
  }
}

TEST_CASE("preamble: through two proxies, and TLS behind it") {
  const std::string first = bytes({5, 1, 0, 5, 1, 0, 3, 1}) + "p" + bytes({4, 56});
  const std::string answers = bytes({5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  const std::string second = bytes({5, 1, 0, 5, 1, 0, 3, 1}) + "q" + bytes({0, 80});
  g_lines.clear();
  {
    Wire wire(HttpRole::kClient);
    wire.sent(first).received(answers).sent(second).received(answers);
    CHECK(target_of(wire) == "q:80");
    wire.sent(kGet).received(kOk);
  }
  CHECK(text() == kAskedOnce);
  g_lines.clear();
  {
    Wire wire(HttpRole::kClient);
    wire.sent(first).received(answers);
    wire.sent("\x16\x03\x01" + bytes({0, 5, 1, 0, 0, 1, 0})).closed();
  }
  CHECK(text() == "> tls 10\n> tls 0 closed, sent 10 received 0\n");
}

TEST_CASE("preamble: what is refused, and what only begins like one") {
  const std::string ask = bytes({5, 1, 0}), request = bytes({5, 1, 0, 1, 1, 2, 3, 4, 0, 80});
  struct Case {
    std::string sent, received;
  };
  for (const Case& c : {
           Case{ask, bytes({5, 0xff})},  // no method is acceptable
           Case{ask, bytes({5, 1})},     // GSSAPI
           Case{ask + request, bytes({5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0})},  // refused
           Case{bytes({5, 1, 2, 1, 1}) + "u" + bytes({1}) + "p", bytes({5, 2, 1, 1})},
           Case{bytes({4, 1, 0, 80, 1, 2, 3, 4, 0}), bytes({0, 0x5b, 0, 0, 0, 0, 0, 0})},
           Case{bytes({4, 0, 0, 0, 5, 0, 0, 0, 0}), ""},            // Cassandra, version 4
           Case{bytes({5, 0, 11, 3, 16, 0, 0, 0}), ""},             // DCE/RPC
           Case{ask + bytes({5, 2, 0, 1, 1, 2, 3, 4, 0, 80}), ""},  // BIND
           Case{ask + bytes({5, 1, 0, 9, 1, 2, 3, 4, 0, 80}), ""},
           Case{"PROXY TCP4 " + std::string(120, '1'), ""},
           Case{"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", ""},
           Case{kSignature + bytes({0x11, 0x11, 0, 0}), ""},  // version 1 in binary
           Case{"\r\n\r\n" + std::string(1, '\0') + "\r\nQUIX\n\x21\x11", ""},
       }) {
    INFO(c.sent);
    g_lines.clear();
    Wire wire(HttpRole::kClient);
    wire.sent(c.sent);
    if (!c.received.empty()) wire.received(c.received);
    CHECK(wire.connection().protocol.load() == Protocol::kOther);
    wire.sent(kGet).received(kOk).closed();
    CHECK(text().empty());
  }
}

TEST_CASE("preamble: a second proxy is asked before the first has answered") {
  const std::string methods = bytes({5, 1, 0}), to = bytes({5, 1, 0, 1, 1, 2, 3, 4, 0, 80});
  Wire wire(HttpRole::kClient);
  wire.sent(methods + to).received(bytes({5, 0})).received(bytes({5, 0, 0, 1, 0, 0}));
  wire.sent(methods + to).received(bytes({0}));
  CHECK(wire.connection().protocol.load() == Protocol::kOther);
}

TEST_CASE("preamble: a SOCKS server passes on what it does not serve") {
  g_lines.clear();
  Wire wire(HttpRole::kServer);
  wire.received(bytes({5, 1, 0}));
  CHECK(wire.connection().protocol.load() == Protocol::kOther);
}

TEST_CASE("preamble: a password is wiped when it was gathered") {
  Wire wire(HttpRole::kClient);
  wire.sent(bytes({5, 1, 2})).sent(bytes({1, 4}) + "user" + bytes({6}) + "sec");
  const Gathering& gathering = direction_of(wire.connection(), kSent).gathering;
  REQUIRE(gathering.bytes != nullptr);
  const uint8_t* block = gathering.bytes;
  wire.sent("ret");
  CHECK(gathering.bytes == nullptr);
  std::string left(reinterpret_cast<const char*>(block), 16);
  CHECK(left.find("user") == std::string::npos);
  CHECK(left.find("sec") == std::string::npos);
}

TEST_CASE("preamble: a method that begins like one") {
  g_lines.clear();
  for (const char* request :
       {"PROXY /x HTTP/1.1\r\n\r\n", "PRI_X /x HTTP/1.1\r\n\r\n", "PRIVATE /x HTTP/1.1\r\n\r\n",
        "\r\nGET /x HTTP/1.1\r\n\r\n", "\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        "\nGET /x HTTP/1.1\r\n\r\n", "\r\n\r\n\r\n\r\nGET /x HTTP/1.1\r\n\r\n"}) {
    std::string start = request;
    start = start.substr(start.find_first_not_of("\r\n"));
    start = start.substr(0, start.find('\r'));
    check_cuts({{kReceived, request}, {kSent, kOk}},
               "< request 1 " + start +
                   "|\n> response 1 HTTP/1.1 200 OK|Content-Length: 1|\n"
                   "= end complete 1 sent 1 received 0\n",
               HttpRole::kServer);
  }
}
