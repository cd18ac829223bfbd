// Where the drain may not be told of a request that was received, the program does not claim that
// it knows of all of them.
#include <catch2/catch.hpp>

#include "unit/hooks/http/heard.h"

using namespace telinject;
using namespace telinject::program;
using heard::Wire;

namespace {

template <typename Pass>
bool leaves_out(HttpRole role, Pass&& pass) {
  g_process.left_out.store(false);
  {
    Wire wire(role);
    pass(wire);
    wire.closed();
  }
  return g_process.left_out.exchange(false);
}

const std::string kGet = "GET / HTTP/1.1\r\n\r\n";
const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";

}  // namespace

TEST_CASE("left out: nothing, where all is read") {
  CHECK_FALSE(leaves_out(HttpRole::kServer, [](Wire& wire) { wire.received(kGet).sent(kOk); }));
  CHECK_FALSE(leaves_out(HttpRole::kClient, [](Wire& wire) { wire.sent(kGet).received(kOk); }));
}

TEST_CASE("left out: what a server receives and does not read, and not what a client sends") {
  const std::string bad = "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n";
  CHECK(leaves_out(HttpRole::kServer, [&](Wire& wire) { wire.received(bad); }));
  CHECK_FALSE(leaves_out(HttpRole::kClient, [&](Wire& wire) { wire.sent(bad); }));
  // It is given up by an answer that is none.
  const std::string none = "HTTP/1.1 2x0 OK\r\n\r\n";
  CHECK(leaves_out(HttpRole::kServer, [&](Wire& wire) { wire.received(kGet).sent(none); }));
  CHECK_FALSE(leaves_out(HttpRole::kClient, [&](Wire& wire) { wire.sent(kGet).received(none); }));
}

TEST_CASE("left out: TLS that a server receives and that is not decrypted here") {
  std::string hello = std::string("\x16\x03\x01\x00\x0a\x01", 6) + std::string(9, 'h');
  CHECK(leaves_out(HttpRole::kServer, [&](Wire& wire) { wire.received(hello); }));
  CHECK(leaves_out(HttpRole::kUnknown, [&](Wire& wire) { wire.received(hello); }));
  CHECK_FALSE(leaves_out(HttpRole::kClient, [&](Wire& wire) { wire.sent(hello); }));
}

TEST_CASE("left out: nothing of a protocol that is not HTTP") {
  CHECK_FALSE(leaves_out(HttpRole::kServer, [](Wire& wire) { wire.received("show info\n"); }));
  CHECK_FALSE(leaves_out(HttpRole::kServer, [](Wire& wire) { wire.received("\x01\x02\x03"); }));
}
