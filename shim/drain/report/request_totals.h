// HTTP exchanges by the attributes that OpenTelemetry's metrics of HTTP have.
//
// Hosts and methods come from peers, so the table is bounded: exchanges with a host that there is
// no room for count under the host "others", those that no row is left for in a few rows for the
// rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "shim/events/totals.h"

namespace telinject::drain {

class RequestTotals {
 public:
  static constexpr size_t kMostRows = 1000, kMostHosts = 200;
  // Of what is beyond: by side, scheme and whether it failed.
  static constexpr size_t kOtherRows = 12;
  static constexpr std::string_view kOthers = "others";

  // An exchange that is over. Of `counts` all but the numbers; the host of a server is not asked
  // for: it is what clients say.
  void add(RequestCounts counts, int64_t duration_ns);
  void read(TotalsReader* reader) const;
  bool empty() const { return rows_.empty(); }

  template <typename Archive>
  void io(Archive& a) {
    a(rows_, hosts_);
    if (rows_.size() > kMostRows + kOtherRows || hosts_.size() > kMostHosts) a.fail();
  }

 private:
  struct Row {
    bool server = false;
    std::string method, scheme, host, version, error;
    uint16_t port = 0;
    int status = 0;
    uint64_t requests = 0;
    int64_t total_ns = 0, min_ns = 0, max_ns = 0;
    DurationHistogram durations;

    RequestCounts counts() const;
    template <typename Archive>
    void io(Archive& a) {
      a(server, method, scheme, host, version, error, port, status, requests, total_ns, min_ns,
        max_ns, durations);
    }
  };

  Row* row_of(RequestCounts* counts);

  absl::flat_hash_map<std::string, Row> rows_;
  std::set<std::string> hosts_;
};

}  // namespace telinject::drain
