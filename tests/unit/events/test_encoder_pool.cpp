// The pool of encoders writes what one encoder would have written, whoever is done first and
// whatever becomes of what it was told of.
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "shim/events/json/encoder_pool.h"

namespace telinject::test::encoder_pool_test {
namespace {

constexpr int64_t kNoon = 1763726400000000000;

FunctionJson function_text(const std::string& name, bool lean = false) {
  FunctionInfo info;
  info.name = name;
  info.module = "app";
  return make_function_json(info, lean);
}

std::shared_ptr<const ProcessJson> process_text(int pid) {
  std::string tail = ",\"process\":{\"pid\":" + std::to_string(pid) + "}}\n";
  return std::make_shared<ProcessJson>(ProcessJson{",\"sample_rate\":1.0", tail});
}

EventPlace place(uint64_t number) {
  return {number, kNoon + static_cast<int64_t>(number) * 1000001, {1, number / 1000}, number, 0};
}

std::string thread_attributes(uint64_t number) {
  return "\"thread_id\":" + std::to_string(number);
}

// The same events to a pool and to an encoder.
class Both {
 public:
  explicit Both(size_t threads, bool lean = false)
      : encoder_(&lines_, lean),
        pool_({.most = threads}, lean, [this](std::string_view lines) { written_ += lines; }) {}

  void entry(uint64_t number, const FunctionJson& function, const std::string& thread,
             const std::shared_ptr<const ProcessJson>& process, uint64_t reference = 0) {
    encoder_.function_entry(place(number), function, reference, thread, *process);
    pool_.function_entry(place(number), function, reference, thread, process);
  }
  void exit(uint64_t number, int64_t duration_ns, const FunctionJson& function,
            const std::string& thread, const std::shared_ptr<const ProcessJson>& process) {
    encoder_.function_exit(place(number), duration_ns, function, 0, thread, nullptr, nullptr,
                           *process);
    pool_.function_exit(place(number), duration_ns, function, 0, thread, process);
  }
  void lines(const std::string& text) {
    char* out = lines_.begin_line(text.size());
    lines_.end_line(put(out, text));
    pool_.lines(text);
  }
  bool same() const { return written_ == lines_.text(); }
  EncoderPool& pool() { return pool_; }
  const std::string& written() const { return written_; }
  std::string_view expected() const { return lines_.text(); }

 private:
  LineBuffer lines_{1 << 20};
  EventEncoder encoder_;
  std::string written_;
  EncoderPool pool_;
};

}  // namespace

TEST_CASE("events of a pool are those of one encoder, in their order") {
  const FunctionJson one = function_text("one"), two = function_text("two");
  auto process = process_text(1), other = process_text(2);
  for (size_t threads : {1, 2, 3, 8}) {
    Both both(threads);
    for (uint64_t i = 1; i <= 50000; i++) {
      const FunctionJson& function = i % 3 == 0 ? one : two;
      // Threads and processes take turns, often and seldom.
      std::string thread = thread_attributes(i < 10000 ? i : i / 5000);
      both.entry(i, function, thread, i % 7000 < 20 ? other : process);
      if (i % 100 == 0) both.lines("{\"a note\":" + std::to_string(i) + "}\n");
      both.exit(i, static_cast<int64_t>(i), function, thread, process);
    }
    both.pool().flush();
    CHECK(both.same());
    CHECK(both.pool().chunks_under_way() == 0);
  }
}

TEST_CASE("after a flush all is written, however little it is") {
  const FunctionJson function = function_text("f");
  auto process = process_text(1);
  Both both(4);
  both.pool().flush();
  CHECK(both.written().empty());
  both.lines("");
  both.lines("{}\n");
  CHECK(both.written().empty());
  both.pool().flush();
  CHECK(both.written() == "{}\n");
  uint64_t number = 0;
  for (int size : {1, 5, 1023, 1024, 1025, 10000}) {
    for (int i = 0; i < size; i++) both.entry(++number, function, thread_attributes(7), process);
    both.pool().flush();
    CHECK(both.same());
  }
}

TEST_CASE("whatever a pool's events were told of may change and go") {
  Both both(3);
  const FunctionJson function = function_text("f");
  for (uint64_t i = 1; i <= 20000; i++) {
    // A process and a thread of each event's own, at the same addresses as those before.
    auto process = process_text(static_cast<int>(i));
    std::string thread = thread_attributes(i) + ",\"thread_name\":\"comes and goes\"";
    both.entry(i, function, thread, process);
    thread.assign(thread.size(), '#');
  }
  both.pool().flush();
  CHECK(both.same());
}

TEST_CASE("a pool's lean events have the reference of their time") {
  Both both(3, /*lean=*/true);
  const FunctionJson function = function_text("f", /*lean=*/true);
  auto process = process_text(1);
  for (uint64_t i = 1; i <= 20000; i++) {
    both.entry(i, function, thread_attributes(1), process, /*reference=*/i);
  }
  both.pool().flush();
  CHECK(both.same());
}

TEST_CASE("large lines do not wait for many") {
  Both both(2);
  std::string large(400000, 'x');
  large += "\n";
  for (int i = 0; i < 40; i++) both.lines(large);
  CHECK_FALSE(both.written().empty());
  both.pool().flush();
  CHECK(both.same());
}

TEST_CASE("no more is under way than a pool's workers can have") {
  const FunctionJson function = function_text(std::string(2000, 'f'));
  auto process = process_text(1);
  for (size_t threads : {1, 2, 5}) {
    Both both(threads);
    size_t most = 0;
    for (uint64_t i = 1; i <= 30000; i++) {
      both.entry(i, function, thread_attributes(1), process);
      most = std::max(most, both.pool().chunks_under_way());
    }
    CHECK(most <= both.pool().most_under_way());
    CHECK(both.pool().most_under_way() <= 3 * threads);
    CHECK(both.expected().starts_with(both.written()));
    CHECK_FALSE(both.written().empty());
    both.pool().flush();
    CHECK(both.same());
  }
}

TEST_CASE("a pool may end with chunks under way: they are not written") {
  auto process = process_text(1);
  std::weak_ptr<const ProcessJson> shared = process;
  for (uint64_t events : {1, 1024, 1500, 4000, 9000}) {
    const FunctionJson function = function_text("f");
    std::string written;
    {
      EncoderPool pool({.most = 4}, false, [&](std::string_view lines) { written += lines; });
      for (uint64_t i = 1; i <= events; i++) {
        pool.function_entry(place(i), function, 0, thread_attributes(1), process);
      }
    }
    CHECK(std::count(written.begin(), written.end(), '\n') % 1024 == 0);
  }
  CHECK(shared.use_count() == 1);
}

TEST_CASE("a slow destination gets all, in order") {
  const FunctionJson function = function_text("f");
  auto process = process_text(1);
  std::string expected, written;
  {
    LineBuffer lines(1 << 20);
    EventEncoder encoder(&lines);
    EncoderPool pool({.most = 4, .give_way = true}, false, [&](std::string_view text) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      written += text;
    });
    for (uint64_t i = 1; i <= 40000; i++) {
      encoder.function_entry(place(i), function, 0, thread_attributes(1), *process);
      pool.function_entry(place(i), function, 0, thread_attributes(1), process);
    }
    pool.flush();
    expected = lines.text();
  }
  CHECK(written == expected);
}

}  // namespace telinject::test::encoder_pool_test
