// The turns of an event loop: which served request a client's request is for, and when that is not
// known. Each case runs in a process of its own, for what was noted stays noted.
#include "hooks/http/turns.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "hooks/http/http1_messages.h"
#include "hooks/http/pools.h"
#include "hooks/http/single_thread_atomics.h"

namespace telinject::test::turns_test {
using namespace program;
namespace {

constexpr int kServed = 5;
constexpr uint64_t kSpan = 77;
char g_alone = 1;

template <typename Case>
bool holds(Case&& test) {
  pid_t pid = fork();
  if (pid == 0) {
    g_single_threaded = &g_alone;
    bool held = test();
    _exit(held ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status == 0;
}

// An event loop that serves one connection and has been seen in both roles.
struct Loop {
  Connection* served = new_connection();

  Loop() {
    served->id = 1;
    served->descriptor = kServed;
    g_roles = kServes | kAsks;
  }
  static void turn(int fd) { Wait(/*limit_ns=*/-1).over_with_descriptor(1, fd); }
  void receive() {
    turn(kServed);
    served->asked++;
    exchange_of(*served, served->asked);
    TraceContext span = {};
    span.span_id = kSpan;
    span.valid = 1;
    turn_serves(*served, served->asked, span);
  }
  // A connection that is made in this turn; its first request goes out in a later one.
  static Connection* connect() {
    REQUIRE(notes_connections());
    Connection* made = new_connection();
    turn_connects(made);
    return made;
  }
  // What another descriptor's turn sends as the `number`th request there.
  static bool known(Connection* connection, uint32_t number) {
    turn(kServed + 1);
    pending_over(*connection);
    TraceContext span = {};
    return known_cause(connection, number, &span) && span.span_id == kSpan;
  }
};

Connection* used_connection() {
  Connection* used = new_connection();
  used->asked = used->answered = 1;
  return used;
}

}  // namespace

TEST_CASE("turns: a connection's first request is for the request that it was made for") {
  CHECK(holds([] {
    Loop loop;
    loop.receive();
    Connection* made = Loop::connect();
    return Loop::known(made, 1) && !Loop::known(made, 1);
  }));
  CHECK(holds([] {
    Loop loop;
    loop.receive();
    return !Loop::known(Loop::connect(), 2);
  }));
}

TEST_CASE("turns: another request on a connection that was there before is a doubt") {
  for (uint32_t number : {1, 2}) {
    CAPTURE(number);
    CHECK(holds([&] {
      Loop loop;
      loop.receive();
      Connection* made = Loop::connect();
      Loop::turn(kServed + 1);
      turn_asks(*used_connection(), number);
      return !Loop::known(made, 1);
    }));
  }
  // In the served request's own turn it is for that request.
  CHECK(holds([] {
    Loop loop;
    loop.receive();
    Connection* made = Loop::connect();
    turn_asks(*used_connection(), 2);
    return Loop::known(made, 1);
  }));
}

TEST_CASE("turns: a connection that was pending already is a doubt, and only while it is") {
  CHECK(holds([] {
    Loop loop;
    Loop::connect();
    loop.receive();
    return !Loop::known(Loop::connect(), 1);
  }));
  CHECK(holds([] {
    Loop loop;
    Connection* before = Loop::connect();
    pending_over(*before);
    pending_over(*before);
    loop.receive();
    return Loop::known(Loop::connect(), 1);
  }));
}

TEST_CASE("turns: a connection that there is no memory for is a doubt for good") {
  CHECK(holds([] {
    Loop loop;
    turn_connects(nullptr);
    loop.receive();
    return !Loop::known(Loop::connect(), 1);
  }));
}

TEST_CASE("turns: a process with several threads notes nothing") {
  CHECK(holds([] {
    Loop loop;
    g_alone = 0;
    loop.receive();
    if (notes_connections()) return false;
    g_alone = 1;
    TraceContext span;
    return !known_cause(nullptr, 0, &span);
  }));
  // A connection that was made meanwhile may be given to any request.
  CHECK(holds([] {
    Loop loop;
    g_alone = 0;
    notes_connections();
    g_alone = 1;
    loop.receive();
    return !Loop::known(Loop::connect(), 1);
  }));
}

}  // namespace telinject::test::turns_test
