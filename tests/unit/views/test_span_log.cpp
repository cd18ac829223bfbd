// Which track a call is on, how long it is, and how calls add up.
#include <catch2/catch.hpp>
#include <vector>

#include "bench.h"

namespace telinject::views::test {

TEST_CASE("calls of a thread are on one track, with their depth and times") {
  Bench bench;
  bench.start(1, 0, 100, "main");
  bench.start(2, 1, 110, "work");
  bench.end(2, 110, 130, "work");
  bench.start(3, 1, 140, "work");
  bench.end(3, 140, 150, "work", 1, 4);
  bench.end(1, 100, 200, "main", 1, 4);
  const SpanLog& log = bench.log;
  REQUIRE(log.tracks.size() == 1);
  const Track& track = log.tracks[0];
  REQUIRE(track.size() == 3);
  CHECK(track.tid == 1);
  CHECK(track.depth(0) == 0);
  CHECK(track.depth(2) == 1);
  CHECK(track.start_ns(2) == 140);
  CHECK(track.length_ns(2) == 10);
  CHECK(track.duration_ns(2) == 6);
  CHECK(log.function_of(track, 2).name == "work");
  CHECK(log.first_ns == 100);
  CHECK(log.last_ns == 200);
  CHECK(log.calls == 3);
}

TEST_CASE("sums are those of the totals: own time is without callees") {
  Bench bench;
  bench.start(1, 0, 0, "main");
  bench.start(2, 1, 10, "work");
  bench.end(2, 10, 40, "work");
  bench.end(1, 0, 100, "main");
  const FunctionTotals& main = bench.log.functions[0];
  CHECK(main.self_ns == 70);
  CHECK(main.total_ns == 100);
  CHECK(bench.log.tree.size() == 3);
  CHECK(bench.log.tree[1].own_ns == 70);
  CHECK(bench.log.tree[2].parent == 1);
  CallTree::Order order = bench.log.tree.ordered();
  CHECK(order.inclusive_ns[CallTree::kRoot] == 100);
  CHECK(order.children[1] == std::vector<uint32_t>{2});
}

TEST_CASE("a second stack of a thread is a track of its own, whose calls nest") {
  Bench bench;
  bench.start(1, 0, 0, "main");
  bench.start(2, 1, 10, "resume");
  bench.start(3, 2, 20, "body", 1, /*outermost=*/true);  // on a coroutine's stack
  bench.end(2, 10, 30, "resume");                        // which is suspended in body
  bench.start(4, 1, 40, "resume");
  bench.start(5, 3, 50, "inner");  // body goes on
  bench.end(5, 50, 60, "inner");
  bench.end(3, 20, 70, "body");
  bench.end(4, 40, 80, "resume");
  bench.end(1, 0, 100, "main");
  uint32_t calls = 0;
  for (const Track& track : bench.log.tracks) {
    std::vector<int64_t> ends;
    walk(
        track,
        [&](uint32_t call) {
          if (!ends.empty()) CHECK(track.start_ns(call) <= ends.back());
          ends.push_back(track.end_ns(call));
          calls++;
        },
        [&](uint32_t, int64_t) { ends.pop_back(); });
    CHECK(ends.empty());
  }
  CHECK(calls == 5);
  for (const FunctionTotals& each : bench.log.functions) CHECK(each.calls > 0);
}

TEST_CASE("a thread's outermost call knows the call of the other thread that it comes from") {
  Bench bench;
  bench.start(1, 0, 0, "main", 1);
  bench.start(2, 1, 10, "thread", 2, /*outermost=*/true);
  bench.end(2, 10, 20, "thread", 2);
  bench.end(1, 0, 30, "main", 1);
  REQUIRE(bench.log.tracks.size() == 2);
  CallRef from = bench.log.tracks[1].origin(0);
  CHECK(from.known());
  CHECK(from.track == 0);
  CHECK(from.call == 0);
  CHECK(!bench.log.tracks[0].origin(0).known());
}

TEST_CASE("a call that serves a request lies within the call that took the request") {
  Bench bench;
  bench.start(1, 0, 0, "main");
  bench.start(2, 1, 10, "accept_loop");
  bench.start(3, 0x77, 20, "handler", 1);  // its parent is the request's span
  bench.end(3, 20, 60, "handler");
  bench.end(2, 10, 80, "accept_loop");
  bench.end(1, 0, 100, "main");
  REQUIRE(bench.log.tracks.size() == 1);
  CHECK(bench.log.tracks[0].depth(2) == 2);
  CHECK(bench.log.functions[1].name == "accept_loop");
  CHECK(bench.log.functions[1].self_ns == 30);
}

TEST_CASE("a call that exit() or longjmp ended has not failed") {
  Bench bench;
  ExitNote note;
  note.exit_kind = "longjmp";
  bench.start(1, 0, 0, "main");
  bench.end(1, 0, 10, "main", 1, 0, nullptr, &note);
  note.exit_kind = "killed";
  bench.start(2, 0, 20, "main");
  bench.end(2, 20, 30, "main", 1, 0, nullptr, &note);
  CHECK(!bench.log.tracks[0].marks().at(0).failed);
  CHECK(bench.log.tracks[0].marks().at(1).failed);
}

TEST_CASE("a loss of an unknown number of calls is no loss of none") {
  Bench bench;
  PointEvent event;
  event.kind = PointKind::kLoss;
  bench.output->note(event);
  CHECK(bench.log.loss_unknown);
  CHECK(bench.log.lost_calls == 0);
}

TEST_CASE("a call that is still open ends with the log, and says so") {
  Bench bench;
  bench.start(1, 0, 0, "main");
  bench.call("other", 10, 5);
  bench.output.reset();
  const Track& track = bench.log.tracks[0];
  CHECK(track.end_ns(0) == 15);
  CHECK(track.marks().at(0).exit_kind == "open");
}

TEST_CASE("lengths beyond 32 bits are kept") {
  Bench bench;
  constexpr int64_t kDay = 86400ll * 1000000000;
  bench.call("main", 5, kDay);
  CHECK(bench.log.tracks[0].length_ns(0) == kDay);
  CHECK(bench.log.tracks[0].duration_ns(0) == kDay);
}

TEST_CASE("an error is kept with its call") {
  Bench bench;
  ErrorInfo error = {"std::runtime_error", "no", "a\nb"};
  bench.start(1, 0, 0, "main");
  bench.end(1, 0, 10, "main", 1, 0, &error);
  const Mark& mark = bench.log.tracks[0].marks().at(0);
  CHECK(mark.type == "std::runtime_error");
  CHECK(mark.message == "no");
  CHECK(mark.stack == "a\nb");
}

}  // namespace telinject::views::test
