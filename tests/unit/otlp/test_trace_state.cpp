// ot=th: our own sampling, in integer arithmetic, and nothing of it on traces that others sampled.
#include <catch2/catch.hpp>
#include <random>

#include "decoded.h"
#include "shim/channel/settings.h"

namespace telinject::test::trace_state_test {

using otlp::sampling_trace_state;

TEST_CASE("the threshold is the one that the program compares with") {
  CHECK(sampling_trace_state(kRateOne) == "");
  CHECK(sampling_trace_state(500000000) == "ot=th:8");
  CHECK(sampling_trace_state(250000000) == "ot=th:c");
  CHECK(sampling_trace_state(100000000) == "ot=th:e6666666666666");
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; i++) {
    uint64_t rate = 1 + random() % (kRateOne - 1);
    std::string text = sampling_trace_state(rate).substr(6);
    REQUIRE(text.size() <= 14);
    REQUIRE((text.back() != '0' || text == "0"));
    text.append(14 - text.size(), '0');
    CHECK(std::stoull(text, nullptr, 16) == sampling_threshold(rate));
  }
}

namespace {

// A server's request in a trace from elsewhere.
void serve(Bench* bench, TraceId trace, const std::string& state) {
  const NameValues headers = {{"tracestate", state}};
  HttpRequestInfo request = {"GET", "http://h/", "", &headers, 0};
  const Attribute attributes[] = {{"span.kind", std::string_view("server")}};
  Operation operation = {
      {"http_request", "http_response", "network", "http_"}, "GET", "m", attributes, &request};
  SpanStart start;
  start.place = {1, 10, trace, trace.lo, 8};
  start.process = &bench->process;
  start.thread = &bench->thread;
  start.operation = &operation;
  bench->output->start(start);
}

std::string state_of(Bench* bench, TraceId trace) {
  FunctionInfo* f = bench->function("f");
  bench->start(1, 0, 1, f, nullptr, trace);
  bench->end(1, 0, 1, 2, f, nullptr, nullptr, nullptr, trace);
  return bench->spans().back().trace_state;
}

}  // namespace

TEST_CASE(
    "of many traces from elsewhere the oldest is forgotten, and another drain knows the rest") {
  Bench first, second;
  constexpr uint64_t kMost = 4096;
  for (uint64_t i = 1; i <= kMost + 1; i++) serve(&first, {0, i}, "v=" + std::to_string(i));
  REQUIRE(second.output->restore(first.output->save(), {&second.process}));
  for (Bench* bench : {&first, &second}) {
    CHECK(state_of(bench, {0, 1}) == "");
    CHECK(state_of(bench, {0, 2}) == "v=2");
    CHECK(state_of(bench, {0, kMost + 1}) == "v=4097");
  }
  serve(&second, {0, kMost + 2}, "v=new");
  CHECK(state_of(&second, {0, 2}) == "");
  CHECK(state_of(&second, {0, 3}) == "v=3");
}

TEST_CASE("only traces of our own have it") {
  Bench bench;
  bench.process.sample_rate = 250000000;
  bench.process.key = {0x1234, 0x5678};
  bench.output->introduce(bench.process, bench.metadata, 1, nullptr);
  FunctionInfo* f = bench.function("f");
  // The program samples those that reach the threshold.
  uint64_t root = 17, other = 17;
  uint64_t threshold = sampling_threshold(bench.process.sample_rate);
  while (!sampled(trace_id(bench.process.key, 3, root), threshold)) root++;
  while (sampled(trace_id(bench.process.key, 3, other), threshold)) other++;
  TraceId own = trace_id(bench.process.key, 3, root);
  TraceId part = trace_id(bench.process.key, 3, other);
  TraceId foreign = {own.hi, own.lo + 1};
  bench.start(1, 0, 1, f, nullptr, own);
  bench.end(1, 0, 1, 2, f, nullptr, nullptr, nullptr, own);
  bench.start(2, 99, 1, f, nullptr, foreign);
  bench.end(2, 99, 1, 2, f, nullptr, nullptr, nullptr, foreign);
  bench.start(3, 0, 1, f, nullptr, part);
  bench.end(3, 0, 1, 2, f, nullptr, nullptr, nullptr, part);
  auto spans = bench.spans();
  REQUIRE(spans.size() == 3);
  CHECK(spans[2].trace_state == "");
  CHECK(spans[0].trace_state == "ot=th:c");
  CHECK(spans[1].trace_state == "");
}

}  // namespace telinject::test::trace_state_test
