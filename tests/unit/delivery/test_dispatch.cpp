// When requests are made, and of how much.
#include "tests/unit/delivery/dispatch_line.h"

namespace telinject::test::dispatch_test {

TEST_CASE("requests have as many items as they may, and four are under way") {
  Line line;
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 100), line.now);
  std::vector<Dispatch::Request> requests;
  while (auto request = line.next()) requests.push_back(*request);
  REQUIRE(requests.size() == 4);
  CHECK(Line::text(requests[0]) == "0;1;2;3;4;5;6;7;");
  CHECK(dispatch.next_at() == steady_clock::time_point::max());
  line.answer(requests[2], status(200));
  auto fifth = line.next();
  REQUIRE(fifth.has_value());
  CHECK(Line::text(*fifth) == "32;33;34;35;36;37;38;39;");
  CHECK_FALSE(line.next().has_value());
  CHECK(dispatch.totals().sent == 8);
  CHECK(dispatch.totals().waiting == 92);
}

TEST_CASE("requests are cut by bytes, too, and a larger item goes alone") {
  Line line;
  line.limits.body_bytes = 10;
  Dispatch& dispatch = line.make();
  Batch batch;
  batch.framing = plain();
  for (size_t bytes : {4, 4, 4, 25, 2, 2}) batch.add(std::string(bytes - 1, 'x') + ";", {});
  dispatch.add(std::move(batch), line.now);
  std::vector<size_t> sizes;
  while (auto request = line.next()) sizes.push_back(request->piece.items());
  CHECK(sizes == std::vector<size_t>{2, 1, 1, 2});
}

TEST_CASE("what is not full waits a second for more, unless it is flushed") {
  Line line;
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 2), line.now);
  CHECK_FALSE(line.next().has_value());
  CHECK(dispatch.next_at() == line.now + 1s);
  line.now += 500ms;
  dispatch.add(items(2, 4), line.now);
  CHECK_FALSE(line.next().has_value());
  line.now += 500ms;
  auto request = line.next();
  REQUIRE(request.has_value());
  CHECK(Line::text(*request) == "0;1;2;3;");
  dispatch.add(items(4, 5), line.now);
  CHECK_FALSE(line.next().has_value());
  dispatch.set_flushing(true);
  CHECK(line.next().has_value());
}

TEST_CASE("pauses grow by half, up to thirty seconds, by half more or less") {
  Line line;
  line.random = GENERATE(0.0, 0.5, 0.999999);
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 8), line.now);
  double wanted = 1000;
  for (int i = 0; i < 40; i++) {
    auto request = line.next();
    REQUIRE(request.has_value());
    line.answer(*request, status(503));
    auto wait = std::chrono::duration_cast<milliseconds>(dispatch.next_at() - line.now);
    CHECK(wait.count() == Approx(wanted * (0.5 + line.random)).margin(2));
    wanted = std::min(wanted * 1.5, 30000.0);
    CHECK_FALSE(line.next().has_value());
    line.now = dispatch.next_at();
  }
  CHECK(dispatch.totals().retried == 40);
  CHECK(line.told.empty());
}

TEST_CASE("while it fails one request tries, then all") {
  Line line;
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 80), line.now);
  std::vector<Dispatch::Request> requests;
  while (auto request = line.next()) requests.push_back(*request);
  for (const auto& request : requests) line.answer(request, failed(HttpFailure::kNotSent, "no"));
  line.now += 60s;
  auto probe = line.next();
  REQUIRE(probe.has_value());
  CHECK_FALSE(line.next().has_value());
  line.answer(*probe, status(200));
  CHECK_FALSE(dispatch.failing());
  size_t then = 0;
  while (line.next()) then++;
  CHECK(then == 4);
}

TEST_CASE("a stop forgets what is in the spool, too") {
  Workshop workshop;
  Line line;
  line.limits.memory_bytes = 300;
  line.limits.spool_bytes = 1 << 20;
  line.limits.spool_directory = workshop.directory();
  Dispatch& dispatch = line.make();
  for (size_t i = 0; i < 10; i++) dispatch.add(items(i * 8, i * 8 + 8), line.now);
  line.answer(*line.next(), status(403));
  CHECK(dispatch.idle());
  CHECK(dispatch.totals().rejected == 80);
  CHECK(dispatch.memory_bytes() == 0);
}

TEST_CASE("what is in the spool is read apart from the decisions, and is not idle meanwhile") {
  Workshop workshop;
  Line line;
  line.limits.memory_bytes = 1;
  line.limits.spool_bytes = 1 << 20;
  line.limits.spool_directory = workshop.directory();
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 8), line.now);
  dispatch.add(items(8, 16), line.now);
  CHECK_FALSE(line.next().has_value());
  auto first = dispatch.next_stored(line.now);
  REQUIRE(first.has_value());
  auto batch = dispatch.read(*first);
  REQUIRE(batch != nullptr);
  auto second = dispatch.left_stored(line.now);
  REQUIRE(second.has_value());
  CHECK_FALSE(dispatch.idle());
  dispatch.put_back(*second, nullptr, line.now);  // it could not be read
  CHECK(dispatch.totals().sink_error == 8);
  dispatch.put_back(*first, batch, line.now);
  CHECK(Line::text(*line.next()) == "0;1;2;3;4;5;6;7;");
}

TEST_CASE("requests that fail together are one failure, and a refused one ends the failures") {
  Line line;
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 80), line.now);
  std::vector<Dispatch::Request> requests;
  while (auto request = line.next()) requests.push_back(*request);
  REQUIRE(requests.size() == 4);
  for (const auto& request : requests) line.answer(request, status(503));
  CHECK(dispatch.next_at() == line.now + 1s);
  line.now += 1s;
  auto probe = *line.next();
  CHECK_FALSE(line.next().has_value());
  line.answer(probe, status(503));
  CHECK(dispatch.next_at() == line.now + 1500ms);
  line.now += 2s;
  line.answer(*line.next(), status(200, "rejected 8"));
  CHECK_FALSE(dispatch.failing());
}

TEST_CASE("what is left is all that was neither accepted nor counted") {
  Line line;
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 50), line.now);
  auto first = *line.next(), second = *line.next();
  line.answer(first, status(200));
  line.answer(second, status(503));
  line.next();
  dispatch.add(items(50, 60), line.now);
  size_t left = 0;
  while (auto piece = dispatch.take_left(line.now)) {
    left += piece->items();
    dispatch.count_left(piece->items());
  }
  CHECK(left == 52);
  CHECK(dispatch.idle());
  CHECK(dispatch.totals().waiting == 0);
  CHECK(dispatch.totals().left == 52);
}

TEST_CASE("at the end pauses are short, but for a receiver's own wish") {
  Line line;
  Dispatch& dispatch = line.make();
  dispatch.add(items(0, 16), line.now);
  bool wish = GENERATE(false, true);
  line.answer(*line.next(), status(503, "", wish ? "20" : ""));
  dispatch.hurry(line.now);
  if (wish) {
    CHECK(dispatch.next_at() == line.now + 20s);
  } else {
    CHECK(dispatch.next_at() <= line.now + 500ms);
  }
}

}  // namespace telinject::test::dispatch_test
