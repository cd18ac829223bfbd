// HTTP in the summary and in the totals: how many exchanges, how many failed, how long they took,
// by method, host and outcome; which paths were slow; which exchanges failed.
//
// Hosts, methods and paths come from peers, so each table is bounded: what comes beyond is counted
// under "others", or only in the sums.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/events/duration_histogram.h"

namespace telinject::drain {

// An exchange that is over.
struct HttpOutcome {
  bool server = false;
  std::string_view method;
  std::string_view host;   // "name:port"; the port only if it is not the scheme's
  std::string_view url;    // without query
  int status = 0;          // 0: there was no response
  std::string_view error;  // error.type; "" if it did not fail
  int64_t duration_ns = 0;
};

class HttpTotals {
 public:
  static constexpr size_t kMaxPaths = 1000, kMaxRows = 1000, kMaxHosts = 200, kMaxMethods = 40;
  static constexpr size_t kMaxFailures = 5;
  static constexpr std::string_view kOthers = "others";

  struct Path {
    std::string name;  // "GET http://host/path"
    uint64_t requests = 0;
    int64_t longest_ns = 0;

    template <typename Archive>
    void io(Archive& a) {
      a(name, requests, longest_ns);
    }
  };

  // The exchanges of one side, method, host and outcome.
  struct Row {
    bool server = false;
    std::string method, host;
    std::string outcome;  // "200"; the error where there was no response
    uint64_t requests = 0, failed = 0;
    DurationHistogram durations;

    template <typename Archive>
    void io(Archive& a) {
      a(server, method, host, outcome, requests, failed, durations);
    }
  };

  struct Failure {
    std::string text;  // "GET http://host/path 503"
    uint64_t times = 0;

    template <typename Archive>
    void io(Archive& a) {
      a(text, times);
    }
  };

  void add(const HttpOutcome& exchange);
  // Messages that could not be read, or belong to no request that was seen.
  void add_unread() { unread_++; }
  // A TLS connection that was not decrypted.
  void add_opaque() { opaque_++; }

  uint64_t requests() const { return requests_; }
  uint64_t failed() const { return failed_; }
  uint64_t unread() const { return unread_; }
  uint64_t opaque() const { return opaque_; }
  // Those that took longest, the slowest first.
  std::vector<Path> slowest(size_t count) const;
  // All, those with most exchanges first.
  std::vector<const Row*> rows() const;
  // The first different ones, kMaxFailures at most.
  const std::vector<Failure>& failures() const { return failures_; }

  template <typename Archive>
  void io(Archive& a) {
    a(requests_, failed_, unread_, opaque_, paths_, rows_, hosts_, methods_, failures_);
    if (paths_.size() > kMaxPaths || rows_.size() > kMaxRows + 2) a.fail();
    if (hosts_.size() > kMaxHosts || methods_.size() > kMaxMethods) a.fail();
    if (failures_.size() > kMaxFailures) a.fail();
  }

 private:
  void add_path(const HttpOutcome& exchange);
  void add_failure(const HttpOutcome& exchange);
  Row* row_of(const HttpOutcome& exchange);

  uint64_t requests_ = 0, failed_ = 0, unread_ = 0, opaque_ = 0;
  absl::flat_hash_map<std::string, Path> paths_;
  absl::flat_hash_map<std::string, Row> rows_;
  std::set<std::string> hosts_, methods_;
  std::vector<Failure> failures_;
};

}  // namespace telinject::drain
