#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_format.h"
#include "shim/drain/base/figures.h"
#include "shim/views/names.h"
#include "shim/views/texts.h"

namespace telinject::views {

namespace {

using drain::duration_text;
using drain::grouped;

int64_t value_of(const FunctionTotals& row, std::string_view by) {
  if (by == "total") return row.total_ns;
  if (by == "calls") return static_cast<int64_t>(row.calls);
  if (by == "p50") return row.percentile_ns(.5);
  if (by == "p99") return row.percentile_ns(.99);
  if (by == "max") return row.max_ns;
  return row.self_ns;
}

std::vector<uint32_t> sorted(const SpanLog& log, const TextOptions& options) {
  std::vector<uint32_t> rows;
  for (uint32_t i = 0; i < log.functions.size(); i++) {
    const FunctionTotals& row = log.functions[i];
    bool wanted = options.focus.empty() || options.focus.match(row.name);
    if (row.calls > 0 && wanted) rows.push_back(i);
  }
  std::stable_sort(rows.begin(), rows.end(), [&](uint32_t a, uint32_t b) {
    return value_of(log.functions[a], options.by) > value_of(log.functions[b], options.by);
  });
  return rows;
}

std::string text(int64_t ns) {
  return duration_text(static_cast<double>(ns));
}

void write_json(const SpanLog& log, const std::vector<uint32_t>& rows, ViewWriter* out) {
  using nlohmann::json;
  for (uint32_t i : rows) {
    const FunctionTotals& row = log.functions[i];
    json line = {{"function", row.name},
                 {"module", row.module},
                 {"file", row.file},
                 {"line", row.line},
                 {"calls", row.calls},
                 {"own_ns", row.self_ns},
                 {"http_wait_ns", row.http_ns},
                 {"total_ns", row.total_ns},
                 {"p50_ns", row.percentile_ns(.5)},
                 {"p90_ns", row.percentile_ns(.9)},
                 {"p99_ns", row.percentile_ns(.99)},
                 {"max_ns", row.max_ns}};
    out->text() += json_text(line) + "\n";
    out->row();
  }
}

}  // namespace

bool is_order(std::string_view by) {
  for (std::string_view each : {"own", "total", "calls", "p50", "p99", "max"}) {
    if (by == each) return true;
  }
  return false;
}

void write_top(const SpanLog& log, const TextOptions& options, ViewWriter* out) {
  std::vector<uint32_t> rows = sorted(log, options);
  size_t all = rows.size();
  if (options.count != 0 && all > options.count) rows.resize(options.count);
  if (options.json) return write_json(log, rows, out);
  int64_t whole = 0;
  for (const FunctionTotals& row : log.functions) drain::add_ns(&whole, row.self_ns);
  std::string& to = out->text();
  absl::StrAppendFormat(&to, "%10s %6s %10s %12s %10s %10s %10s  %s\n", "own", "%", "total",
                        "calls", "p50", "p99", "longest", "function");
  for (uint32_t i : rows) {
    const FunctionTotals& row = log.functions[i];
    double share =
        whole > 0 ? 100.0 * static_cast<double>(row.self_ns) / static_cast<double>(whole) : 0;
    absl::StrAppendFormat(&to, "%10s %6.1f %10s %12s %10s %10s %10s  %s\n", text(row.self_ns),
                          share, text(row.total_ns), grouped(row.calls),
                          text(row.percentile_ns(.5)), text(row.percentile_ns(.99)),
                          text(row.max_ns), short_name(row.name));
    out->row();
  }
  if (rows.size() < all) {
    absl::StrAppend(&to, "... and ", grouped(all - rows.size()), " more; --count=0 shows all\n");
  }
}

}  // namespace telinject::views
