#include "shim/drain/report/request_totals.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shim/drain/naming/function_totals.h"

namespace telinject::drain {

namespace {

constexpr std::string_view kOtherMethod = "_OTHER";  // as the semantic conventions have it

std::string_view known_method(std::string_view method) {
  constexpr std::string_view kKnown[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                         "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"};
  bool known = std::find(std::begin(kKnown), std::end(kKnown), method) != std::end(kKnown);
  return known ? method : kOtherMethod;
}

std::string key_of(const RequestCounts& c) {
  return absl::StrCat(c.server, "\n", std::string(c.method), "\n", std::string(c.scheme), "\n",
                      std::string(c.host), "\n", c.port, "\n", std::string(c.version), "\n",
                      c.status, "\n", std::string(c.error));
}

}  // namespace

RequestCounts RequestTotals::Row::counts() const {
  return {server, method,   scheme,   host,   version, port,      status,
          error,  requests, total_ns, min_ns, max_ns,  &durations};
}

void RequestTotals::add(RequestCounts counts, int64_t duration_ns) {
  duration_ns = std::max<int64_t>(duration_ns, 0);
  Row* row = row_of(&counts);
  row->min_ns = row->requests == 0 ? duration_ns : std::min(row->min_ns, duration_ns);
  row->max_ns = std::max(row->max_ns, duration_ns);
  row->requests++;
  add_ns(&row->total_ns, duration_ns);
  row->durations.add(static_cast<uint64_t>(duration_ns));
}

RequestTotals::Row* RequestTotals::row_of(RequestCounts* counts) {
  counts->method = known_method(counts->method);
  if (counts->scheme != "http" && counts->scheme != "https") counts->scheme = "";
  bool known = counts->server || hosts_.contains(std::string(counts->host));
  if (counts->server) {
    counts->host = "";
    counts->port = 0;
  } else if (!known && hosts_.size() < kMostHosts) {
    hosts_.emplace(counts->host);
  } else if (!known) {
    counts->host = kOthers;
    counts->port = 0;
  }
  auto found = rows_.find(key_of(*counts));
  if (found == rows_.end() && rows_.size() >= kMostRows) {
    counts->method = kOtherMethod;
    counts->host = counts->server ? "" : kOthers;
    counts->version = "";
    counts->port = 0;
    counts->status = 0;
    if (!counts->error.empty()) counts->error = kOtherErrors;
    found = rows_.find(key_of(*counts));
  }
  if (found != rows_.end()) return &found->second;
  Row& row = rows_[key_of(*counts)];
  row.server = counts->server;
  row.method = counts->method;
  row.scheme = counts->scheme;
  row.host = counts->host;
  row.version = counts->version;
  row.error = counts->error;
  row.port = counts->port;
  row.status = counts->status;
  return &row;
}

void RequestTotals::read(TotalsReader* reader) const {
  for (const auto& [key, row] : rows_) reader->requests(row.counts());
}

}  // namespace telinject::drain
