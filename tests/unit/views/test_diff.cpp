// What two runs are said to differ in.
#include <catch2/catch.hpp>
#include <string>

#include "bench.h"
#include "shim/views/texts.h"

namespace telinject::views::test {

namespace {

struct Shape {
  int64_t fast = 100, slow = 1000;
  int slow_calls = 200;
};

// main calls two functions in turn; each takes a little longer now and then, as real ones do.
void run(Bench* bench, const Shape& shape) {
  int64_t now = 0;
  bench->start(1, 0, 0, "main");
  uint64_t id = 10;
  auto call = [&](const std::string& name, int64_t ns, int times) {
    for (int i = 0; i < times; i++) {
      int64_t length = ns + i % 7 + (i % 50 == 0 ? 20 * ns : 0);
      bench->start(++id, 1, now, name);
      bench->end(id, now, now + length, name);
      now += length;
    }
  };
  call("fast", shape.fast, 1000);
  call("slow", shape.slow, shape.slow_calls);
  bench->end(1, 0, now + 500, "main");
}

std::string diff(const Shape& before, const Shape& after, DiffResult* result = nullptr) {
  Bench old_run, new_run;
  run(&old_run, before);
  run(&new_run, after);
  DiffResult unused;
  return text_of([&](ViewWriter* out) {
    *(result != nullptr ? result : &unused) = write_diff(old_run.log, new_run.log, {}, out);
  });
}

}  // namespace

TEST_CASE("equal runs do not differ") {
  DiffResult result;
  CHECK(diff({}, {}, &result) == "no difference\n");
  CHECK(result.slower == 0);
}

TEST_CASE("a function that became 10 % slower comes first, and its caller is not blamed") {
  DiffResult result;
  std::string text = diff({}, {.fast = 100, .slow = 1100, .slow_calls = 200}, &result);
  CHECK(result.slower > .03);
  std::string first = text.substr(text.find('\n') + 1);
  first.resize(first.find('\n'));
  CHECK(first.ends_with("  slow"));
  CHECK(text.find("main") == std::string::npos);
  CHECK(text.find("fast") == std::string::npos);
}

TEST_CASE("other numbers of calls are told, whatever the times") {
  std::string text = diff({}, {.fast = 100, .slow = 1000, .slow_calls = 201});
  CHECK(text.find("200") != std::string::npos);
  CHECK(text.find("201") != std::string::npos);
  CHECK(text.find("  slow\n") != std::string::npos);
}

TEST_CASE("a faster function is no reason to fail") {
  DiffResult result;
  diff({}, {.fast = 100, .slow = 500, .slow_calls = 200}, &result);
  CHECK(result.slower == 0);
}

}  // namespace telinject::views::test
