// HTTP exchanges by the attributes of metrics: what is counted together, and that tables are
// bounded while sums stay exact.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "shim/drain/naming/function_totals.h"
#include "shim/drain/report/request_totals.h"

namespace telinject::test::request_totals_test {
using namespace drain;
namespace {

struct Reader final : TotalsReader {
  void function(const FunctionCounts&) override {}
  void requests(const RequestCounts& counts) override {
    total += counts.requests;
    total_ns += counts.total_ns;
    rows.push_back(std::string(counts.method) + " " + std::string(counts.host));
    last = counts;
  }
  void errors(std::string_view, std::string_view, uint64_t) override {}
  void lost_calls(std::string_view, uint64_t) override {}
  void filtered_calls(std::string_view, uint64_t) override {}
  void left_out_spans(uint64_t) override {}

  uint64_t total = 0;
  int64_t total_ns = 0;
  std::vector<std::string> rows;
  RequestCounts last;
};

RequestCounts client(std::string_view host, std::string_view method = "GET") {
  RequestCounts counts;
  counts.method = method;
  counts.scheme = "http";
  counts.host = host;
  counts.port = 80;
  counts.status = 200;
  counts.version = "1.1";
  return counts;
}

}  // namespace

TEST_CASE("exchanges with the same attributes are one row, with exact sums") {
  RequestTotals totals;
  CHECK(totals.empty());
  for (int64_t ns : {500, 100, -3, 900}) totals.add(client("a"), ns);
  Reader reader;
  totals.read(&reader);
  REQUIRE(reader.rows.size() == 1);
  CHECK(reader.last.requests == 4);
  CHECK(reader.last.total_ns == 1500);
  CHECK(reader.last.min_ns == 0);
  CHECK(reader.last.max_ns == 900);
  CHECK(reader.last.durations->zeros() == 1);
}

TEST_CASE("methods that are not known, and hosts that clients say, make no rows") {
  RequestTotals totals;
  for (int i = 0; i < 1000; i++) {
    RequestCounts counts = client("host" + std::to_string(i), "M" + std::to_string(i));
    counts.server = true;
    totals.add(counts, 1);
  }
  Reader reader;
  totals.read(&reader);
  CHECK(reader.rows == std::vector<std::string>{"_OTHER "});
  CHECK(reader.total == 1000);
}

TEST_CASE("hosts and rows are bounded, and none is lost") {
  RequestTotals totals;
  constexpr int kMany = 60000;
  for (int i = 0; i < kMany; i++) {
    RequestCounts counts = client("");
    std::string host = "host" + std::to_string(i % 3000), error = "E" + std::to_string(i % 7);
    counts.host = host;
    counts.port = static_cast<uint16_t>(i);
    counts.status = i % 600;
    if (i % 3 == 0) counts.error = error;
    totals.add(counts, 2);
  }
  Reader reader;
  totals.read(&reader);
  CHECK(reader.total == kMany);
  CHECK(reader.total_ns == 2 * kMany);
  CHECK(reader.rows.size() >= RequestTotals::kMostRows);
  CHECK(reader.rows.size() <= RequestTotals::kMostRows + RequestTotals::kOtherRows);
}

TEST_CASE("types of errors are bounded") {
  FunctionTotals function;
  for (int i = 0; i < 1000; i++) function.add_error("type" + std::to_string(i));
  CHECK(function.errors.size() == FunctionTotals::kMostErrorTypes + 1);
  CHECK(function.errors["_OTHER"] == 1000 - FunctionTotals::kMostErrorTypes);
  FunctionTotals joined;
  joined.add_error("another");
  joined.join(function);
  uint64_t sum = 0;
  for (const auto& [type, count] : joined.errors) sum += count;
  CHECK(sum == 1001);
}

}  // namespace telinject::test::request_totals_test
