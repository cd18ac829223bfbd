// What OTLP's metrics say of totals: sums, histograms, which functions have points of their own.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "decoded.h"
#include "shim/events/otlp/metric_points.h"
#include "shim/events/otlp/metrics_output.h"
#include "shim/events/registry/metrics.h"

namespace telinject::test::metrics_test {

namespace {

using nlohmann::json;

struct Function {
  std::string name, module, file;
  std::vector<int64_t> durations = {};
  int64_t self_ns = 0;
  CountsByType errors = {};
  DurationHistogram histogram = {};
};

// Totals that are made up.
struct Totals final : TotalsSource {
  bool empty() const override { return functions.empty(); }
  void read(TotalsReader* reader) const override {
    for (const Function& function : functions) {
      FunctionCounts counts;
      counts.name = function.name;
      counts.module = function.module;
      counts.file = function.file;
      counts.calls = function.durations.size();
      counts.self_ns = function.self_ns;
      counts.min_ns = *std::min_element(function.durations.begin(), function.durations.end());
      counts.max_ns = *std::max_element(function.durations.begin(), function.durations.end());
      for (int64_t ns : function.durations) counts.total_ns += ns;
      counts.durations = &function.histogram;
      counts.errors = &function.errors;
      reader->function(counts);
    }
  }
  const Metadata& metadata() const override { return about; }
  int pid() const override { return 42; }
  int64_t started_ns() const override { return 1000; }
  int64_t now_ns() const override { return 2000; }
  uint64_t sample_rate() const override { return rate; }

  void add(Function function) {
    for (int64_t ns : function.durations) function.histogram.add(static_cast<uint64_t>(ns));
    functions.push_back(std::move(function));
  }

  std::vector<Function> functions;
  Metadata about;
  uint64_t rate = kRateOne;
};

struct MetricsBench {
  explicit MetricsBench(size_t most = 0, bool explicit_buckets = false) {
    otlp::MetricsOutput::Options options;
    options.format = otlp::Format::kJson;
    options.stream = std::make_unique<Receiver>(&batch, &requests);
    options.how.explicit_buckets = explicit_buckets;
    options.most_functions = most;
    output = std::make_unique<otlp::MetricsOutput>(std::move(options));
  }

  // The points of a metric in the last request.
  json points(const Totals& totals, const std::string& name) {
    output->take_totals(totals);
    output->flush();
    json request = json::parse(requests.back());
    for (const json& scope : request["resourceMetrics"][0]["scopeMetrics"]) {
      for (const json& metric : scope["metrics"]) {
        if (metric["name"] != name) continue;
        for (const char* kind : {"sum", "histogram", "exponentialHistogram"}) {
          if (!metric.contains(kind)) continue;
          CHECK(metric[kind]["aggregationTemporality"] == 2);
          return metric[kind]["dataPoints"];
        }
      }
    }
    return json::array();
  }

  delivery::Batch batch;
  std::vector<std::string> requests;
  std::unique_ptr<otlp::MetricsOutput> output;
};

std::string attribute(const json& point, const std::string& name) {
  for (const json& each : point["attributes"]) {
    if (each["key"] == name) return each["value"]["stringValue"];
  }
  return "";
}

// By function and type of error.
std::map<std::string, std::string> calls_of(const json& points) {
  std::map<std::string, std::string> calls;
  for (const json& point : points) {
    std::string key = attribute(point, "code.function.name");
    if (std::string error = attribute(point, "error.type"); !error.empty()) key += "!" + error;
    CHECK(calls.emplace(key, point["asInt"]).second);
  }
  return calls;
}

}  // namespace

TEST_CASE("sums and histograms of a function, with their times and attributes") {
  Totals totals;
  totals.add({"f", "app", "f.c", {0, 1, 1000000000, 1000000001}, 77});
  MetricsBench bench;
  json points = bench.points(totals, "function.duration");
  REQUIRE(points.size() == 1);
  const json& point = points[0];
  CHECK(point["startTimeUnixNano"] == "1000");
  CHECK(point["timeUnixNano"] == "2000");
  CHECK(point["count"] == "4");
  CHECK(point["zeroCount"] == "1");
  CHECK(point["sum"] == 2.000000002);
  CHECK(point["min"] == 0);
  CHECK(point["max"] == 1.000000001);
  // 1 ns to just above 1 s: 241 buckets of scale 3, so the scale is 2.
  CHECK(point["scale"] == 2);
  CHECK(point["positive"]["offset"] == -120);
  const json& counts = point["positive"]["bucketCounts"];
  REQUIRE(counts.size() == 121);
  CHECK(counts[0] == "1");
  CHECK(counts[119] == "1");
  CHECK(counts[120] == "1");
  CHECK(attribute(point, "telinject.module") == "app");
  CHECK(attribute(point, "code.file.path") == "f.c");
  CHECK(calls_of(bench.points(totals, "function.calls")) ==
        std::map<std::string, std::string>{{"f", "4"}});
  CHECK(bench.points(totals, "function.self_time")[0]["asDouble"] == 77e-9);
}

TEST_CASE("functions of the same name are one; calls that failed have their error") {
  Totals totals;
  totals.add({"f", "app", "f.c", {10, 20}, 5, {{"bad", 1}}});
  totals.add({"f", "app", "f.c", {5, 300}, 6, {{"bad", 1}, {"SIGSEGV", 1}}});
  totals.add({"f", "lib", "f.c", {7}, 1});
  MetricsBench bench;
  json points = bench.points(totals, "function.duration");
  REQUIRE(points.size() == 2);
  for (const json& point : points) {
    if (attribute(point, "telinject.module") != "app") continue;
    CHECK(point["count"] == "4");
    CHECK(point["min"] == 5e-9);
    CHECK(point["max"] == 300e-9);
    CHECK(point["scale"] == 3);
  }
  totals.functions.pop_back();
  CHECK(calls_of(bench.points(totals, "function.calls")) ==
        std::map<std::string, std::string>{{"f", "1"}, {"f!bad", "2"}, {"f!SIGSEGV", "1"}});
}

TEST_CASE("a function that has points of its own keeps them; the others only grow") {
  Totals totals;
  totals.add({"slow", "app", "", {10}, 500});
  totals.add({"quick", "app", "", {10}, 1});
  MetricsBench bench(1);
  using Calls = std::map<std::string, std::string>;
  CHECK(calls_of(bench.points(totals, "function.calls")) == Calls{{"slow", "1"}, {"others", "1"}});
  totals.add({"slowest", "app", "", {10, 20, 30}, 90000, {{"bad", 2}}});
  CHECK(calls_of(bench.points(totals, "function.calls")) ==
        Calls{{"slow", "1"}, {"others", "2"}, {"others!bad", "2"}});
  // Another drain goes on.
  MetricsBench next(1);
  REQUIRE(next.output->restore(bench.output->save(), {}));
  CHECK(calls_of(next.points(totals, "function.calls")).contains("slow"));
  CHECK_FALSE(next.output->restore("\xff nonsense", {}));
}

TEST_CASE("of a sample, numbers stand for all") {
  Totals totals;
  totals.rate = kRateOne / 4;
  totals.add({"f", "app", "", {0, 100, 100}, 50, {{"bad", 1}}});
  MetricsBench bench;
  json point = bench.points(totals, "function.duration")[0];
  CHECK(point["count"] == "12");
  CHECK(point["zeroCount"] == "4");
  CHECK(point["sum"] == 800e-9);
  CHECK(calls_of(bench.points(totals, "function.calls")) ==
        std::map<std::string, std::string>{{"f", "8"}, {"f!bad", "4"}});
}

TEST_CASE("explicit buckets have the durations up to their bounds") {
  Totals totals;
  // 2^-22 s is 238.4 ns, 2^-20 s is 953.7 ns, 2^6 s is 64 s.
  totals.add({"f", "app", "", {0, 238, 239, 953, 954, 64000000000, 64000000001}, 1});
  MetricsBench bench(0, /*explicit_buckets=*/true);
  json point = bench.points(totals, "function.duration")[0];
  const json& counts = point["bucketCounts"];
  REQUIRE(counts.size() == 16);
  REQUIRE(point["explicitBounds"].size() == 15);
  CHECK(point["explicitBounds"][14] == 64);
  CHECK(counts[0] == "2");
  CHECK(counts[1] == "2");
  CHECK(counts[2] == "1");
  CHECK(counts[14] == "1");
  CHECK(counts[15] == "1");
}

TEST_CASE("what is left of metrics goes on with another framing") {
  delivery::Batch batch;
  for (auto metric : {registry::kFunctionCalls, registry::kErrors, registry::kFunctionCalls}) {
    std::string item;
    otlp::append_count(&item, {1, 2}, otlp::AttributeSet(), 7);
    batch.add(item, TraceId{}, metric);
  }
  otlp::MetricsFraming made(otlp::Format::kJson, "", /*explicit_buckets=*/false);
  auto framing = otlp::MetricsFraming::restore(made.save(), otlp::Format::kJson);
  REQUIRE(framing != nullptr);
  auto body = [&](const delivery::Framing& of, size_t from, size_t to) {
    std::string text;
    of.append_body(batch, from, to, &text);
    return json::parse(text)["resourceMetrics"][0]["scopeMetrics"];
  };
  json all = body(*framing, 0, batch.size());
  CHECK(all == body(made, 0, batch.size()));
  REQUIRE(all.size() == 2);
  CHECK(all[0]["metrics"][0]["name"] == "function.calls");
  CHECK(all[0]["metrics"][0]["sum"]["dataPoints"].size() == 2);
  CHECK(body(*framing, 1, 2).size() == 1);
  CHECK(otlp::MetricsFraming::restore("\xff", otlp::Format::kJson) == nullptr);
}

}  // namespace telinject::test::metrics_test
