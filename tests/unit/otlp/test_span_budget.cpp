// The span budget: how many are sent, which, that their parents are there, and that each call is
// accounted for.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "shim/events/otlp/span_budget.h"

namespace telinject::test::span_budget_test {

namespace {

using otlp::SpanBudget;

struct Sent {
  uint64_t parent = 0, calls = 0;
  int64_t duration = 0;
};

struct Play {
  explicit Play(SpanBudget::Limits limits)
      : budget(limits, [this](const SpanBudget::Held& span) {
          auto [at, is_new] = sent.try_emplace(
              span.place.span_id,
              Sent{span.place.parent_span_id, span.left_out.calls, span.duration_ns});
          REQUIRE(is_new);
          order.push_back(span.place.span_id);
        }) {}

  void start(uint64_t id, uint64_t parent, int64_t ns, uint64_t thread = 1, bool operation = false,
             TraceId trace = {1, 1}, bool remote = false) {
    budget.start({0, ns, trace, id, parent}, 0, thread, operation, remote);
    starts[id] = ns;
    parents[id] = parent;
  }
  void end(uint64_t id, int64_t ns, bool foremost = false, TraceId trace = {1, 1}) {
    budget.end({0, ns, trace, id, parents[id]}, ns - starts[id], 0, foremost);
  }
  // Each call is sent, counted on a sent one, or has no ancestor.
  uint64_t accounted() const {
    uint64_t calls = budget.unplaced();
    for (const auto& [id, span] : sent) calls += 1 + span.calls;
    return calls;
  }
  void check_parents(std::set<uint64_t> foreign = {}) const {
    for (const auto& [id, span] : sent) {
      INFO("span " << id << " with parent " << span.parent);
      CHECK((span.parent == 0 || sent.contains(span.parent) || foreign.contains(span.parent)));
    }
  }

  SpanBudget budget;
  std::map<uint64_t, Sent> sent;
  std::vector<uint64_t> order;
  std::map<uint64_t, int64_t> starts;
  std::map<uint64_t, uint64_t> parents;
};

}  // namespace

TEST_CASE("what is below the limits is sent, in the order of its ends, as it is") {
  Play play({100, 100});
  play.start(1, 0, 0);
  for (uint64_t id = 2; id < 50; id++) {
    play.start(id, 1, static_cast<int64_t>(id));
    play.end(id, static_cast<int64_t>(id));
  }
  play.end(1, 1000);
  play.budget.choose();
  CHECK(play.sent.size() == 49);
  CHECK(play.budget.left_out() == 0);
  CHECK(play.order.front() == 2);
  CHECK(play.order.back() == 1);
  play.check_parents();
}

TEST_CASE("the longest are kept, and all others counted on the caller") {
  Play play({11, 1000});
  play.start(1, 0, 0);
  int64_t ns = 1;
  for (uint64_t id = 2; id < 102; id++) {
    play.start(id, 1, ns);
    ns += static_cast<int64_t>(id);
    play.end(id, ns);
  }
  play.end(1, ns + 1);
  play.budget.choose();
  REQUIRE(play.sent.size() == 11);
  CHECK(play.sent.contains(1));
  for (uint64_t id = 92; id < 102; id++) CHECK(play.sent.contains(id));
  CHECK(play.sent[1].calls == 90);
  CHECK(play.accounted() == 101);
}

TEST_CASE("requests and errors come first, and their callers with them") {
  Play play({20, 1000});
  play.start(1, 0, 0);
  int64_t ns = 1;
  uint64_t id = 2;
  auto leaf = [&](uint64_t parent, int64_t duration, bool operation, bool error) {
    uint64_t own = id++;
    play.start(own, parent, ns, 1, operation);
    ns += duration;
    play.end(own, ns, operation || error);
    return own;
  };
  for (int i = 0; i < 100; i++) leaf(1, 1000, false, false);
  uint64_t caller = id++;
  play.start(caller, 1, ns);
  uint64_t request = leaf(caller, 5, true, false);
  play.end(caller, ns);
  uint64_t failed = leaf(1, 1, false, true);
  for (int i = 0; i < 100; i++) leaf(1, 1000, false, false);
  play.end(1, ns);
  play.budget.choose();
  CHECK(play.sent.size() == 20);
  for (uint64_t kept : {request, caller, failed}) CHECK(play.sent.contains(kept));
  play.check_parents();
  CHECK(play.accounted() == id - 1);
}

TEST_CASE("a caller that is open when its call is chosen is sent when it ends") {
  Play play({100, 1000});
  constexpr int64_t kSecond = 1000000000;
  play.start(1, 0, 0);
  play.start(2, 1, 1);
  play.start(3, 2, 2);
  play.end(3, 5);
  play.start(4, 2, 2 * kSecond);  // the second is over: 3 is chosen
  CHECK(play.sent.contains(3));
  play.end(4, 2 * kSecond + 1);
  play.end(2, 2 * kSecond + 2);
  play.end(1, 3 * kSecond);
  play.budget.choose();
  CHECK(play.sent.size() == 4);
  play.check_parents();
}

TEST_CASE("a deep recursion takes no more than the limit, and hangs together") {
  constexpr uint64_t kDepth = 100000, kLimit = 1000;
  constexpr int64_t kSecond = 1000000000;
  Play play({kLimit, 100000});
  for (uint64_t id = 1; id <= kDepth; id++) play.start(id, id - 1, static_cast<int64_t>(id));
  int64_t ns = kDepth;
  for (uint64_t id = kDepth; id > kDepth / 2; id--) play.end(id, ns++);
  ns += 2 * kSecond;
  for (uint64_t id = kDepth / 2; id > 0; id--) play.end(id, ns++);
  play.budget.choose();
  CHECK(play.sent.size() <= kLimit + 1);
  CHECK(play.sent.size() >= kLimit / 2);
  play.check_parents();
  CHECK(play.accounted() == kDepth);
}

TEST_CASE("a thread whose creator was left out hangs below the trace's root") {
  Play play({40, 1000});
  play.start(1, 0, 0);
  play.start(2, 1, 10);
  play.end(2, 11);  // it has created a thread
  for (uint64_t id = 10; id < 60; id++) {
    play.start(id, 1, 20);
    play.end(id, 20 + static_cast<int64_t>(id));
  }
  play.budget.choose();
  REQUIRE_FALSE(play.sent.contains(2));
  play.start(3, 2, 100, 7);
  play.end(3, 5000, true);
  play.end(1, 6000);
  play.budget.choose();
  REQUIRE(play.sent.contains(3));
  CHECK(play.sent[3].parent == 1);
  play.check_parents();
}

TEST_CASE("parents from elsewhere stay, also when something was left out") {
  Play play({2, 1000});
  play.start(1, 99, 0, 1, true, {1, 1}, true);
  for (uint64_t id = 10; id < 20; id++) {
    play.start(id, 1, 20);
    play.end(id, 21);
  }
  play.end(1, 50, true);
  play.start(2, 98, 60, 1, true, {1, 1}, true);
  play.end(2, 70, true);
  play.budget.choose();
  CHECK(play.sent.at(1).parent == 99);
  if (play.sent.contains(2)) CHECK(play.sent.at(2).parent == 98);
  CHECK(play.accounted() == 12);
}

TEST_CASE("a process sends so many a second, of short traces too") {
  constexpr int64_t kSecond = 1000000000;
  constexpr uint64_t kPerSecond = 100;
  Play play({10000, kPerSecond});
  uint64_t id = 1;
  for (int64_t ms = 0; ms < 20000; ms++) {
    TraceId trace = {1, id};
    play.start(id, 0, ms * (kSecond / 1000), 1, false, trace);
    play.end(id, ms * (kSecond / 1000) + 100, false, trace);
    id++;
  }
  play.budget.choose();
  CHECK(play.sent.size() <= (20 + 5) * kPerSecond);
  CHECK(play.sent.size() >= 20 * kPerSecond);
  CHECK(play.accounted() == id - 1);
}

TEST_CASE("a long trace is not used up by its first second") {
  constexpr int64_t kSecond = 1000000000;
  Play play({1000, 1000000});
  play.start(1, 0, 0);
  uint64_t id = 2;
  for (int64_t second = 0; second < 5; second++) {
    for (int64_t i = 0; i < 5000; i++) {
      play.start(id, 1, second * kSecond + i * 1000);
      play.end(id, second * kSecond + i * 1000 + 10);
      id++;
    }
  }
  play.end(1, 6 * kSecond);
  play.budget.choose();
  uint64_t late = 0;
  for (const auto& [span, what] : play.sent) late += span > 2 + 4 * 5000;
  CHECK(late > 0);
  CHECK(play.sent.size() <= 1001);
  CHECK(play.accounted() == id - 1);
}

TEST_CASE("any tree, in any threads: parents are there, all calls are accounted for") {
  std::mt19937_64 random(17);
  for (int round = 0; round < 60; round++) {
    uint64_t limit = 1 + random() % 200;
    Play play({limit, 1 + random() % 300});
    uint64_t id = 1;
    int64_t ns = 0;
    std::vector<std::vector<uint64_t>> threads(1 + random() % 4);
    std::vector<uint64_t> ended;
    uint64_t all = 2 + random() % 3000;
    while (id < all) {
      ns += static_cast<int64_t>(random() % 3000000);
      size_t number = random() % threads.size();
      auto& stack = threads[number];
      bool begins = stack.empty() || random() % 2 == 0;
      if (begins) {
        // Of a thread: what another thread has open, or what has ended, or nothing.
        uint64_t parent = 0;
        auto& other = threads[random() % threads.size()];
        if (!stack.empty()) {
          parent = stack.back();
        } else if (!other.empty()) {
          parent = other.back();
        } else if (!ended.empty() && random() % 2 == 0) {
          parent = ended[random() % ended.size()];
        }
        play.start(id, parent, ns, number, random() % 50 == 0);
        stack.push_back(id++);
      } else {
        play.end(stack.back(), ns, random() % 50 == 0);
        ended.push_back(stack.back());
        stack.pop_back();
      }
    }
    for (auto& stack : threads) {
      while (!stack.empty()) {
        play.end(stack.back(), ++ns);
        stack.pop_back();
      }
    }
    play.budget.choose();
    INFO("round " << round);
    CHECK(play.accounted() == id - 1);
    CHECK(play.sent.size() + play.budget.left_out() == id - 1);
    std::set<uint64_t> all_ids;
    play.check_parents();
  }
}

}  // namespace telinject::test::span_budget_test
