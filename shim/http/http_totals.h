// HTTP in the summary and in the totals: how many, how many failed, which paths were slow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace telinject {

class HttpTotals {
 public:
  // Paths beyond are counted, but not by name.
  static constexpr size_t kMaxPaths = 1000;

  struct Path {
    std::string name;  // "GET http://host/path"
    uint64_t requests = 0, failed = 0;
    int64_t total_ns = 0, longest_ns = 0;

    template <typename Archive>
    void io(Archive& a) {
      a(name, requests, failed, total_ns, longest_ns);
    }
  };

  void add(std::string_view method, std::string_view url, int64_t duration_ns, bool failed);
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

  template <typename Archive>
  void io(Archive& a) {
    a(requests_, failed_, unread_, opaque_, paths_);
    if (paths_.size() > kMaxPaths) a.fail();
  }

 private:
  uint64_t requests_ = 0, failed_ = 0, unread_ = 0, opaque_ = 0;
  absl::flat_hash_map<std::string, Path> paths_;
};

}  // namespace telinject
