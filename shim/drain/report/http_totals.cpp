#include "shim/drain/report/http_totals.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace telinject::drain {

namespace {

// The name itself if it is known or there is room for it.
std::string bounded(std::string_view name, size_t most, std::set<std::string>* known) {
  std::string text(name);
  if (known->contains(text)) return text;
  if (known->size() >= most) return std::string(HttpTotals::kOthers);
  known->insert(text);
  return text;
}

std::string outcome_of(const HttpOutcome& exchange) {
  if (exchange.status != 0) return std::to_string(exchange.status);
  return std::string(exchange.error.empty() ? "no_response" : exchange.error);
}

}  // namespace

void HttpTotals::add(const HttpOutcome& exchange) {
  requests_++;
  bool failed = !exchange.error.empty();
  if (failed) failed_++;
  Row* row = row_of(exchange);
  row->requests++;
  if (failed) row->failed++;
  row->durations.add(static_cast<uint64_t>(std::max<int64_t>(exchange.duration_ns, 0)));
  add_path(exchange);
  if (failed) add_failure(exchange);
}

HttpTotals::Row* HttpTotals::row_of(const HttpOutcome& exchange) {
  std::string method = bounded(exchange.method, kMaxMethods, &methods_);
  std::string host = bounded(exchange.host, kMaxHosts, &hosts_);
  std::string outcome = outcome_of(exchange);
  auto key = [&] { return absl::StrCat(exchange.server, "\n", method, "\n", host, "\n", outcome); };
  auto found = rows_.find(key());
  if (found == rows_.end() && rows_.size() >= kMaxRows) {
    method = host = outcome = kOthers;
    found = rows_.find(key());
  }
  if (found != rows_.end()) return &found->second;
  Row& row = rows_[key()];
  row.server = exchange.server;
  row.method = method;
  row.host = host;
  row.outcome = outcome;
  return &row;
}

void HttpTotals::add_path(const HttpOutcome& exchange) {
  std::string name = absl::StrCat(std::string(exchange.method), " ", std::string(exchange.url));
  auto found = paths_.find(name);
  if (found == paths_.end()) {
    if (paths_.size() == kMaxPaths) return;
    found = paths_.emplace(name, Path{name}).first;
  }
  found->second.requests++;
  found->second.longest_ns = std::max(found->second.longest_ns, exchange.duration_ns);
}

void HttpTotals::add_failure(const HttpOutcome& exchange) {
  std::string outcome = outcome_of(exchange);
  std::string text =
      absl::StrCat(std::string(exchange.method), " ", std::string(exchange.url), " ", outcome);
  if (outcome != exchange.error) absl::StrAppend(&text, " ", std::string(exchange.error));
  auto found = std::find_if(failures_.begin(), failures_.end(),
                            [&](const Failure& known) { return known.text == text; });
  if (found == failures_.end()) {
    if (failures_.size() == kMaxFailures) return;
    found = failures_.insert(failures_.end(), {text, 0});
  }
  found->times++;
}

std::vector<HttpTotals::Path> HttpTotals::slowest(size_t count) const {
  std::vector<Path> all;
  for (const auto& [name, path] : paths_) all.push_back(path);
  std::sort(all.begin(), all.end(), [](const Path& a, const Path& b) {
    return a.longest_ns != b.longest_ns ? a.longest_ns > b.longest_ns : a.name < b.name;
  });
  if (all.size() > count) all.resize(count);
  return all;
}

std::vector<const HttpTotals::Row*> HttpTotals::rows() const {
  std::vector<std::pair<std::string_view, const Row*>> all;
  for (const auto& [key, row] : rows_) all.emplace_back(key, &row);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    if (a.second->requests != b.second->requests) return a.second->requests > b.second->requests;
    return a.first < b.first;
  });
  std::vector<const Row*> rows;
  rows.reserve(all.size());
  for (const auto& [key, row] : all) rows.push_back(row);
  return rows;
}

}  // namespace telinject::drain
