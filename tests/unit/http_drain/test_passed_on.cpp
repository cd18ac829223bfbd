// Which served request a client request passes on, where several are open.
#include <catch2/catch.hpp>

#include "http_program.h"

namespace telinject::test::passed_on_test {
using namespace drain;

namespace {

std::string asks(const std::string& target, const std::string& fields = "User-Agent: x\r\n") {
  return "GET " + target + " HTTP/1.1\r\nHost: proxy\r\n" + fields;
}
std::string passes(const std::string& target, const std::string& fields = "User-Agent: x\r\n") {
  return "GET " + target + " HTTP/1.1\r\nHost: upstream\r\n" + fields;
}

// A proxy: `served` are open when `asked` is sent.
struct Proxy {
  HttpProgram p;
  LaneWriter lane = p.thread(0, 1);
  uint32_t connections = 0;

  void serve(const std::string& head) {
    p.connect(&lane, ++connections, HttpRole::kServer);
    p.request(&lane, connections, 1, head, HttpProgram::own_trace(connections), kHttpFromPeer);
  }
  void answer(uint32_t connection) {
    p.response(&lane, connection, 1, ok(), 0);
    p.end(&lane, connection, 1);
  }
  // It asks somebody first, for nobody: from here on it is known as one that asks.
  void begin() { ask(passes("/begin"), kHttpAllTold); }
  void ask(const std::string& head, uint16_t flags = kHttpAllTold) {
    p.connect(&lane, ++connections, HttpRole::kClient);
    p.request(&lane, connections, 1, head, HttpProgram::own_trace(connections), flags);
  }
  // The number of the served request that the last one belongs to; 0: it is a trace of its own.
  size_t cause() {
    std::vector<json> served, all = p.events();
    json last;
    for (const json& event : all) {
      if (event["event_type"] != "http_request") continue;
      if (event["attributes"]["span.kind"] == "server") served.push_back(event);
      last = event;
    }
    if (last["parent_span_id"].is_null()) return 0;
    for (size_t i = 0; i < served.size(); i++) {
      if (served[i]["span_id"] != last["parent_span_id"]) continue;
      CHECK(served[i]["trace_id"] == last["trace_id"]);
      return i + 1;
    }
    return 1000;
  }
};

}  // namespace

TEST_CASE("a proxy's request belongs to the only one that has its target and fields") {
  Proxy proxy;
  proxy.serve(asks("/a"));
  proxy.serve(asks("/b?x=1"));
  proxy.serve(asks("/b?x=2"));
  proxy.ask(passes("/b?x=1"));
  CHECK(proxy.cause() == 2);
}

TEST_CASE("of requests that are equal none is guessed") {
  Proxy proxy;
  proxy.serve(asks("/a"));
  proxy.serve(asks("/a"));
  proxy.ask(passes("/a"));
  CHECK(proxy.cause() == 0);
}

TEST_CASE("nor where an equal one has been answered lately") {
  Proxy proxy;
  proxy.begin();
  proxy.serve(asks("/a"));
  proxy.answer(2);
  proxy.serve(asks("/a"));
  proxy.serve(asks("/b"));
  proxy.ask(passes("/a"));
  CHECK(proxy.cause() == 0);
}

TEST_CASE("nor where one was left out of the trace") {
  Proxy proxy;
  proxy.serve(asks("/a"));
  proxy.serve(asks("/b"));
  proxy.ask(passes("/a"), 0);
  CHECK(proxy.cause() == 0);
}

TEST_CASE("the program's own request for the same target is told by its fields") {
  auto [served, asked, known] = GENERATE(table<std::string, std::string, size_t>({
      {"User-Agent: x\r\n", "User-Agent: own\r\n", 0},
      {"User-Agent: x\r\n", "", 0},
      {"", "User-Agent: own\r\n", 0},
      {"User-Agent: x\r\nAccept: a\r\n", "User-Agent: x\r\nAccept: b\r\n", 0},
      {"Accept: */*\r\n", "Accept: */*\r\n", 0},
      {"", "", 0},
      {"X-Name: a\r\n", "X-Name: a\r\n", 1},
      {"User-Agent: x\r\nVia: a\r\n", "User-Agent: x\r\nVia: a, b\r\n", 1},
      {"User-Agent: x\r\nX-Name: a\r\n", "User-Agent: x\r\n", 1},
  }));
  Proxy proxy;
  proxy.serve(asks("/a", served));
  proxy.serve(asks("/b"));
  proxy.ask(passes("/a", asked));
  CHECK(proxy.cause() == known);
}

TEST_CASE("a target with a secret tells nothing") {
  Proxy proxy;
  proxy.serve(asks("/a?token=one"));
  proxy.serve(asks("/b"));
  proxy.ask(passes("/a?token=two"));
  CHECK(proxy.cause() == 0);
}

TEST_CASE("an identifier that only one has tells, whatever the target") {
  std::string own = GENERATE("X-Request-Id: 12345678-2\r\n", "x-correlation-id: 12345678-2\r\n");
  Proxy proxy;
  proxy.serve(asks("/a", "X-Request-Id: 12345678-1\r\n"));
  proxy.serve(asks("/a", own));
  proxy.ask(passes("/other", own));
  CHECK(proxy.cause() == 2);
}

TEST_CASE("an identifier that several have does not") {
  std::string own = "X-Request-Id: 12345678-1\r\n";
  Proxy proxy;
  proxy.serve(asks("/a", own));
  proxy.serve(asks("/b", own));
  proxy.ask(passes("/other", own));
  CHECK(proxy.cause() == 0);
}

TEST_CASE("identifiers that contradict each other prove nothing") {
  std::string one = "X-Request-Id: 12345678-1\r\n", two = "X-Correlation-Id: 12345678-2\r\n";
  Proxy proxy;
  proxy.serve(asks("/a", one));
  proxy.serve(asks("/b", two));
  proxy.ask(passes("/a", one + two));
  CHECK(proxy.cause() == 0);
}

TEST_CASE("what a request passes on counts for more than what its thread serves alone") {
  Proxy proxy;
  LaneWriter other = proxy.p.thread(1, 2);
  proxy.p.connect(&other, 50, HttpRole::kServer);
  proxy.p.request(&other, 50, 1, asks("/a"), HttpProgram::own_trace(1), kHttpFromPeer);
  uint64_t place = proxy.p.request(&proxy.lane, 51, 1, asks("/b"), HttpProgram::own_trace(2),
                                   kHttpFromPeer | kHttpServed);
  TraceId trace = trace_id(proxy.p.key(), 0, 2);
  proxy.p.connect(&proxy.lane, 52, HttpRole::kClient);
  HttpContext context =
      HttpProgram::in_trace(HttpParent::kThread, trace, span_id(proxy.p.key(), 0, place));
  proxy.p.request(&proxy.lane, 52, 1, passes("/a"), context, kHttpAllTold);
  CHECK(proxy.cause() == 1);
}

}  // namespace telinject::test::passed_on_test
