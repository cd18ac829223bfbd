// HTTP in the summary and the totals: by method, host and outcome; what failed; bounded tables.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "shim/drain/report/summary.h"
#include "shim/drain/report/totals_report.h"

namespace telinject::test::http_totals_test {
using namespace drain;
namespace {

using nlohmann::json;

HttpOutcome outcome(std::string_view method, std::string_view host, std::string_view url,
                    int status, std::string_view error, int64_t ns, bool server = false) {
  return {server, method, host, url, status, error, ns};
}

json rows_of(const HttpTotals& http) {
  return json::parse(totals_json({}, {}, {}, http))["http"];
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string summary_of(const HttpTotals& http) {
  SummaryFacts facts;
  facts.processes = 1;
  return summary_text(facts, {}, {}, http);
}

}  // namespace

TEST_CASE("http totals: a row for each side, method, host and outcome") {
  HttpTotals http;
  for (int i = 1; i <= 100; i++) {
    http.add(outcome("GET", "a:8080", "http://a:8080/" + std::to_string(i), 200, "", (i + 1) / 2));
  }
  http.add(outcome("GET", "a:8080", "http://a:8080/x", 404, "404", 7));
  http.add(outcome("GET", "a:8080", "http://a:8080/x", 404, "", 7, true));
  http.add(outcome("QUERY", "a:8080", "http://a:8080/x", 200, "", 7));
  http.add(outcome("GET", "b", "http://b/x", 0, "ECONNRESET", 7));
  http.add(outcome("GET", "b", "http://b/x", 200, "connection_closed", 7));
  http.add(outcome("GET", "b", "http://b/x", 0, "", -5));
  json rows = rows_of(http);
  REQUIRE(rows.size() == 7);
  CHECK(rows[0] == json({{"span_kind", "client"},
                         {"method", "GET"},
                         {"host", "a:8080"},
                         {"status_code", 200},
                         {"requests", 100},
                         {"errors", 0},
                         {"p50_ns", 25},
                         {"p99_ns", 50}}));
  auto row = [&](const std::string& kind, const std::string& method, const std::string& host) {
    json found = json::array();
    for (const json& each : rows) {
      if (each["span_kind"] == kind && each["method"] == method && each["host"] == host) {
        found.push_back(each);
      }
    }
    return found;
  };
  CHECK(row("server", "GET", "a:8080").size() == 1);
  CHECK(row("server", "GET", "a:8080")[0]["errors"] == 0);
  CHECK(row("client", "QUERY", "a:8080").size() == 1);
  json of_b = row("client", "GET", "b");
  REQUIRE(of_b.size() == 3);
  for (const json& each : of_b) {
    if (each.contains("status_code")) {
      CHECK(each["errors"] == 1);
    } else if (each["error_type"] == "ECONNRESET") {
      CHECK(each["errors"] == 1);
    } else {
      CHECK(each["error_type"] == "no_response");
      CHECK(each["p99_ns"] == 0);
    }
  }
  CHECK(rows_of({}) == json::array());
}

TEST_CASE("http totals: the tables are bounded, and nothing is lost in the sums") {
  HttpTotals http;
  uint64_t added = 0;
  for (int i = 0; i < 5000; i++, added++) {
    std::string text = std::to_string(i);
    http.add(outcome("M" + text, "h" + text, "http://h" + text + "/", 200 + i % 300, "", 1));
  }
  for (int i = 0; i < 5000; i++, added++) {
    http.add(outcome("M1", "h1", "http://h1/", 0, "HTTP2_ERROR_" + std::to_string(i), 1));
  }
  CHECK(http.requests() == added);
  std::vector<const HttpTotals::Row*> rows = http.rows();
  CHECK(rows.size() <= HttpTotals::kMaxRows + 2);
  uint64_t sum = 0;
  std::set<std::string> hosts, methods;
  for (const HttpTotals::Row* row : rows) {
    sum += row->requests;
    hosts.insert(row->host);
    methods.insert(row->method);
  }
  CHECK(sum == added);
  CHECK(hosts.size() == HttpTotals::kMaxHosts + 1);
  CHECK(methods.size() == HttpTotals::kMaxMethods + 1);
  CHECK(hosts.contains("others"));
  CHECK(methods.contains("others"));
}

TEST_CASE("http totals: the summary names what failed, five at most") {
  HttpTotals http;
  http.add(outcome("GET", "a", "http://a/1", 503, "503", 1));
  http.add(outcome("GET", "a", "http://a/1", 503, "503", 1));
  http.add(outcome("POST", "a", "http://a/2", 0, "ECONNREFUSED", 1));
  http.add(outcome("GET", "a", "http://a/3", 200, "connection_closed", 1));
  std::string text = summary_of(http);
  CHECK(has(text, "  http       4 requests, 4 failed\n"));
  CHECK(has(text, "             failed: GET http://a/1 503  (2 times)\n"));
  CHECK(has(text, "             failed: POST http://a/2 ECONNREFUSED\n"));
  CHECK(has(text, "             failed: GET http://a/3 200 connection_closed\n"));
  CHECK_FALSE(has(text, "more"));
  for (int i = 10; i < 20; i++) {
    http.add(outcome("GET", "a", "http://a/" + std::to_string(i), 404, "404", 1));
  }
  text = summary_of(http);
  CHECK(has(text, "             failed: GET http://a/11 404\n"));
  CHECK_FALSE(has(text, "             failed: GET http://a/12 404\n"));
  CHECK(has(text, "             failed: 8 more\n"));
}

TEST_CASE("http totals: the summary has the rows with most exchanges") {
  HttpTotals http;
  for (int host = 1; host <= 7; host++) {
    for (int i = 0; i < host; i++) {
      http.add(
          outcome("GET", "h" + std::to_string(host), "http://h/", 200, "", 1000000, host == 7));
    }
  }
  std::string text = summary_of(http);
  size_t seventh = text.find("             served GET h7 200 "), sixth = text.find("GET h6 200 ");
  REQUIRE(seventh != std::string::npos);
  REQUIRE(sixth != std::string::npos);
  CHECK(seventh < sixth);
  CHECK(has(text, "GET h3 200 "));
  CHECK_FALSE(has(text, "GET h2 200 "));
  CHECK(has(text, "             and 2 more: telrun --totals FILE writes all\n"));
  CHECK(has(text, "1.0 ms"));
}

}  // namespace telinject::test::http_totals_test
