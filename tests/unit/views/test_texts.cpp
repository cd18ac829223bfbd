// Text for terminals: repetitions, filters, orders.
#include <catch2/catch.hpp>
#include <string>

#include "bench.h"
#include "shim/views/exports.h"
#include "shim/views/texts.h"

namespace telinject::views::test {

namespace {

Bench& loop(Bench& bench, int times) {
  bench.start(1, 0, 0, "main");
  for (int i = 0; i < times; i++) {
    uint64_t id = 10 + 2 * static_cast<uint64_t>(i);
    int64_t at = 100 * i;
    bench.start(id, 1, at, "work");
    bench.start(id + 1, id, at + 10, "leaf");
    bench.end(id + 1, at + 10, at + 30, "leaf");
    bench.end(id, at, at + 50, "work");
  }
  bench.end(1, 0, 100 * times, "main");
  return bench;
}

std::string tree(const Bench& bench, const TextOptions& options = {}) {
  return text_of([&](ViewWriter* out) { write_tree(bench.log, options, out); });
}

}  // namespace

TEST_CASE("tree: calls like the ones before are counted in one line") {
  Bench bench;
  CHECK(tree(loop(bench, 10)) ==
        "# app 42, worker 1\n"
        "      1.0 us  main\n"
        "       50 ns    work\n"
        "       20 ns      leaf\n"
        "      450 ns    ... 9 times more like this\n");
}

TEST_CASE("tree: a few repetitions are shown") {
  Bench bench;
  std::string text = tree(loop(bench, 3));
  CHECK(text.find("more like this") == std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 8);
}

TEST_CASE("tree: a call that failed is like no other") {
  Bench bench;
  ErrorInfo error = {"std::bad_alloc", "no memory"};
  bench.start(1, 0, 0, "main");
  for (uint64_t i = 0; i < 9; i++) {
    auto at = static_cast<int64_t>(10 * i);
    bench.start(10 + i, 1, at, "work");
    bench.end(10 + i, at, at + 10, "work", 1, 0, i == 4 ? &error : nullptr);
  }
  bench.end(1, 0, 100, "main");
  std::string text = tree(bench);
  CHECK(text.find("work  std::bad_alloc: no memory\n") != std::string::npos);
  CHECK(text.find("... 3 times more like this\n") != std::string::npos);
}

TEST_CASE("tree: only what lies below the functions in focus, and is long enough") {
  Bench bench;
  loop(bench, 1);
  TextOptions options;
  options.focus = drain::Globs("wor*");
  CHECK(tree(bench, options) ==
        "# app 42, worker 1\n"
        "       50 ns  work\n"
        "       20 ns    leaf\n");
  options.min_duration_ns = 30;
  CHECK(tree(bench, options) ==
        "# app 42, worker 1\n"
        "       50 ns  work\n");
}

TEST_CASE("graph: sums below each call, and what is left out is counted") {
  Bench bench;
  loop(bench, 10);
  TextOptions options;
  std::string text = text_of([&](ViewWriter* out) { write_graph(bench.log, options, out); });
  CHECK(text ==
        "     total      %        own        calls  function\n"
        "    1.0 us  100.0     500 ns            1  main\n"
        "    500 ns   50.0     300 ns           10    work\n"
        "    200 ns   20.0     200 ns           10      leaf\n");
  options.min_share = .3;
  text = text_of([&](ViewWriter* out) { write_graph(bench.log, options, out); });
  CHECK(text.find("    200 ns   20.0                              ... 1 more\n") !=
        std::string::npos);
}

TEST_CASE("top: the chosen order, and how many are not shown") {
  Bench bench;
  loop(bench, 10);
  TextOptions options;
  options.by = "calls";
  options.count = 1;
  std::string text = text_of([&](ViewWriter* out) { write_top(bench.log, options, out); });
  CHECK(text.find("work") != std::string::npos);
  CHECK(text.find("main") == std::string::npos);
  CHECK(text.find("... and 2 more; --count=0 shows all\n") != std::string::npos);
}

TEST_CASE("names from the program cannot break a line, a stack or a terminal") {
  Bench bench;
  bench.call("evil;name\n\x1b[2J\xff", 0, 10);
  std::string folded = text_of([&](ViewWriter* out) { write_folded(bench.log, out); });
  CHECK(folded == "evil:name\\n\\x1b[2J\\xff 10\n");
  std::string text = tree(bench);
  CHECK(text.find('\x1b') == std::string::npos);
}

}  // namespace telinject::views::test
