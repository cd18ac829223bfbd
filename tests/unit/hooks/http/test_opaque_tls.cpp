// TLS that is not decrypted here: its ClientHello and how much has passed.
#include <catch2/catch.hpp>

#include "unit/hooks/http/heard.h"

using namespace telinject;
using namespace telinject::program;
using heard::g_lines;
using heard::text;
using heard::Wire;

namespace {

std::string record(size_t size) {
  return std::string("\x16\x03\x01") + static_cast<char>(size >> 8) + static_cast<char>(size) +
         "\x01" + std::string(size - 1, 'h');
}

}  // namespace

TEST_CASE("Opaque TLS: the hello once, the bytes at the end") {
  for (size_t piece : {size_t{1}, size_t{5}, size_t{6}, size_t{100}, ~size_t{0}}) {
    INFO("pieces of " << piece);
    g_lines.clear();
    Wire wire;
    std::string bytes = record(300);
    std::string_view rest = bytes;
    while (!rest.empty()) {
      wire.sent(rest.substr(0, piece));
      rest.remove_prefix(std::min(piece, rest.size()));
    }
    wire.received(record(90)).unseen(Way::kReceived, 1000).sent("\x17\x03\x03more").closed();
    CHECK(text() == "> tls 305\n> tls 0 closed, sent 312 received 1095\n");
  }
}

TEST_CASE("Opaque TLS: a server's, a long hello, one that never comes whole") {
  g_lines.clear();
  Wire server;
  server.received(record(4000)).closed();
  CHECK(text() == "< tls 2048\n< tls 0 closed, sent 0 received 4005\n");
  g_lines.clear();
  Wire half;
  half.sent(record(300).substr(0, 200)).closed();
  CHECK(text().empty());
}

TEST_CASE("Opaque TLS: the answer is seen before the hello") {
  std::string answer = record(90);
  answer[5] = '\x02';
  for (size_t piece : {size_t{6}, size_t{50}, ~size_t{0}}) {
    INFO("pieces of " << piece);
    g_lines.clear();
    Wire wire;
    wire.received(answer.substr(0, piece));
    if (piece < answer.size()) wire.received(answer.substr(piece));
    wire.sent(record(300)).received("\x17\x03\x03more").closed();
    CHECK(text() == "> tls 305\n> tls 0 closed, sent 305 received 102\n");
  }
  // Byte by byte, when the protocol is known and its hello not yet whole; and one that is empty.
  for (std::string other : {answer, std::string("\x16\x03\x03\0\0\x01\x01", 7)}) {
    for (size_t piece : {size_t{1}, size_t{3}, ~size_t{0}}) {
      INFO("pieces of " << piece);
      g_lines.clear();
      Wire wire;
      wire.sent(record(300).substr(0, 100));
      for (size_t i = 0; i < other.size(); i += std::min(piece, other.size())) {
        wire.received(other.substr(i, piece));
      }
      wire.sent(record(300).substr(100)).closed();
      CHECK(text() ==
            "> tls 305\n> tls 0 closed, sent 305 received " + std::to_string(other.size()) + "\n");
    }
  }
  // Nobody knows who asked.
  g_lines.clear();
  Wire alone;
  alone.received(answer).closed();
  CHECK(text().empty());
}
