// Totals by function: sums, the table, the document and its file.
#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "shim/drain/report/totals_report.h"
#include "shim/drain/tree/client_requests.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::totals_test {
using namespace drain;
namespace {

using nlohmann::json;

FunctionTotals function(const std::string& name, std::initializer_list<int64_t> durations) {
  FunctionTotals totals;
  totals.name = name;
  for (int64_t ns : durations) totals.add(ns, 0, 0);
  return totals;
}

}  // namespace

TEST_CASE("calls add up; children take from the own time, not below nothing") {
  FunctionTotals f = function("f", {});
  CHECK(f.percentile_ns(.5) == 0);
  f.add(100, 40, 10);
  f.add(50, 60, 5);  // a child whose end was noticed late
  CHECK(f.calls == 2);
  CHECK(f.total_ns == 150);
  CHECK(f.self_ns == 50);
  CHECK(f.http_ns == 10);
  CHECK(f.min_ns == 50);
  CHECK(f.max_ns == 100);
  CHECK(f.percentile_ns(.5) == 50);
  // Percentiles lie between shortest and longest, whatever the middle of their part.
  CHECK(function("g", {1000001}).percentile_ns(.5) == 1000001);
}

TEST_CASE("waiting for responses is apart from own time and from what was called meanwhile") {
  ClientRequests requests;
  requests.begin(1000, 50);
  requests.begin(1100, 50);  // open at once: counted once
  requests.end(1300, 80);
  requests.end(1500, 90);
  CHECK(requests.waited_ns == 500 - 40);
  requests.end(2000, 90);  // of none
  CHECK(requests.waited_ns == 460);
  requests.begin(3000, 100);
  requests.begin(3000, 100);
  requests.end_all(3600, 100);
  CHECK(requests.waited_ns == 1060);
  CHECK(requests.open == 0);
}

TEST_CASE("times that a program makes up do not overflow") {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  FunctionTotals f = function("f", {kMost, kMost});
  CHECK(f.total_ns == kMost);
  CHECK(f.self_ns == kMost);
}

TEST_CASE(
    "the table has the ten that took most time themselves, and says how many more there are") {
  std::deque<FunctionTotals> totals = {function("never", {})};
  for (int i = 1; i <= 12; i++) totals.push_back(function("f" + std::to_string(i), {i * 1000}));
  std::string text = totals_table({}, totals);
  std::vector<std::string> lines = lines_of(text);
  REQUIRE(lines.size() == 12);
  CHECK(lines[1].starts_with("    f12 "));
  CHECK(lines[10].starts_with("    f3 "));
  CHECK(lines[11] == "    and 2 more: telrun --totals FILE writes all");
  CHECK(lines[0].size() == lines[1].size());
  CHECK(text.find("never") == std::string::npos);
  CHECK(totals_table({}, {function("never", {})}).empty());
}

TEST_CASE("functions that made calls which were lost are marked, and told in the document") {
  std::deque<FunctionTotals> totals = {function("f", {1000}), function("g", {500})};
  totals[1].lost_calls = 7;
  std::string text = totals_table({}, totals);
  std::vector<std::string> lines = lines_of(text);
  REQUIRE(lines.size() == 4);
  CHECK(lines[1].starts_with("    f "));
  CHECK(lines[2].starts_with("  * g "));
  CHECK(lines[1].size() == lines[2].size());
  CHECK(lines[3] == "    *  calls that it made were lost: what they took is in its own time");
  json document = json::parse(totals_json({}, {}, totals));
  CHECK(document["functions"][0]["lost_calls"] == 0);
  CHECK(document["functions"][1]["lost_calls"] == 7);
}

TEST_CASE("a long name is cut in whole characters") {
  std::string name;
  for (int i = 0; i < 40; i++) name += "\xc3\xbc";
  std::string text = totals_table({}, {function(name, {1})});
  size_t dots = text.find("...");
  REQUIRE(dots != std::string::npos);
  CHECK(text[dots - 1] == '\xbc');
}

TEST_CASE("the document has every function, what is left out and what was lost") {
  SummaryFacts facts;
  facts.filtered[static_cast<size_t>(FilteredBy::kMaxDepth)] = 7;
  Losses losses;
  losses.add(LossReason::kQueueFull, 3);
  facts.run = {3, 1000, 600, 150};
  facts.waits = 2;
  facts.waited_ns = 12345;
  FunctionTotals known = function("ns::f", {10, 20, 30});
  known.linkage_name = "_ZN2ns1fEv";
  known.module = "app";
  known.file = "/src/\xff.cpp";
  known.line = 12;
  json document = json::parse(totals_json(facts, losses, {function("g", {5}), known}));
  CHECK(document["format"] == "telinject.totals");
  CHECK(document["estimate"] == false);
  CHECK(document["lost_calls"] == 3);
  CHECK(document["threads"] == json({{"sampled", 3},
                                     {"sampled_ns", 1000},
                                     {"running_ns", 600},
                                     {"not_running_ns", 150},
                                     {"blocked_ns", 250}}));
  CHECK(document["waits"] == 2);
  CHECK(document["waited_ns"] == 12345);
  CHECK(document["left_out"] == json({{"min_duration", 0},
                                      {"max_depth", 7},
                                      {"include", 0},
                                      {"exclude", 0},
                                      {"sample_rate", 0}}));
  REQUIRE(document["functions"].size() == 2);
  CHECK(document["functions"][0] == json({{"function_name", "ns::f"},
                                          {"mangled_name", "_ZN2ns1fEv"},
                                          {"module", "app"},
                                          {"function_file", "/src/\xef\xbf\xbd.cpp"},
                                          {"function_line", 12},
                                          {"calls", 3},
                                          {"self_ns", 60},
                                          {"total_ns", 60},
                                          {"lost_calls", 0},
                                          {"min_ns", 10},
                                          {"p50_ns", 20},
                                          {"p90_ns", 30},
                                          {"p99_ns", 30},
                                          {"max_ns", 30}}));
  CHECK_FALSE(document["functions"][1].contains("function_file"));
}

TEST_CASE("a sample's sums are divided by its rate, and said to be estimates") {
  SummaryFacts facts;
  facts.sample_rate = kRateOne / 4;
  std::deque<FunctionTotals> totals = {function("f", {100, 100, 101})};
  json document = json::parse(totals_json(facts, {}, totals));
  CHECK(document["estimate"] == true);
  CHECK(document["sample_rate"] == 0.25);
  CHECK(document["functions"][0]["calls"] == 12);
  CHECK(document["functions"][0]["total_ns"] == 1204);
  CHECK(document["functions"][0]["max_ns"] == 101);
  CHECK(totals_table(facts, totals).find("estimated") != std::string::npos);
}

TEST_CASE("a later document takes the place of an earlier one, whatever their sizes") {
  Workshop workshop;
  std::string path = workshop.write("totals", std::string(1000, 'x')), problem;
  std::unique_ptr<DocumentFile> file = DocumentFile::open(path, &problem);
  REQUIRE(file != nullptr);
  CHECK(read_file(path).size() == 1000);
  for (std::string text : {"long\ntext\n", "short\n", "longer again\n"}) {
    CHECK(file->write(text, true, &problem));
    CHECK(read_file(path) == text);
  }
  // The same again is not written again.
  workshop.write("totals", "somebody's\n");
  CHECK(file->write("longer again\n", true, &problem));
  CHECK(read_file(path) == "somebody's\n");
  CHECK(problem == "");
}

TEST_CASE("a document that cannot be opened or does not fit: where and why") {
  Workshop workshop;
  std::string problem;
  CHECK(DocumentFile::open(workshop.directory(), &problem) == nullptr);
  CHECK(problem == workshop.directory() + ": Is a directory");
  REQUIRE(mkfifo(workshop.path("fifo").c_str(), 0600) == 0);
  CHECK(DocumentFile::open(workshop.path("fifo"), &problem) == nullptr);  // does not wait
  std::unique_ptr<DocumentFile> full = DocumentFile::open("/dev/full", &problem);
  REQUIRE(full != nullptr);
  CHECK_FALSE(full->write("x", true, &problem));
  CHECK(problem == "/dev/full: No space left on device");
  std::unique_ptr<DocumentFile> null = DocumentFile::open("/dev/null", &problem);
  REQUIRE(null != nullptr);
  CHECK(null->write("x", true, &problem));
}

}  // namespace telinject::test::totals_test
