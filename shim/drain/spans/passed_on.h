// Finds the served request that a client request passes on, where the two header blocks prove it: a
// proxy repeats what it was sent. One for each process.
//
// Two requests prove it if the client's
//   - repeats an identifier (x-request-id and the like) of the served one; or
//   - has its method, path and query, repeats its other fields, and contradicts none;
// and no other request that the process has been sent lately has that identifier, or that method,
// path and query. "Lately" are the last kRemembered of them: a proxy may work for a request that
// has been answered (a copy for another server, a second try).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "shim/channel/layout.h"
#include "shim/http/exchange.h"

namespace telinject::drain {

struct OpenExchange;

class PassedOn {
 public:
  static constexpr size_t kRemembered = 16384;  // identifiers and targets of a process

  // False until begin(): a process that asks nobody needs none of this.
  bool active() const { return active_; }
  void begin() { active_ = true; }

  // A served request is open from serve() until over().
  void serve(OpenExchange* served);
  void over(const OpenExchange* served);

  // The served request that `asked` passes on; null if it is not known.
  OpenExchange* cause(const HttpExchange& asked) const;
  // The served request that brought this trace context, which `asked` has, too; null if none did,
  // or several that are open.
  OpenExchange* bearer(const TraceContext& sent, const HttpExchange& asked) const;

  // What is open is given again by serve_again().
  template <typename Archive>
  void io(Archive& a);
  void serve_again(OpenExchange* served);

 private:
  struct Entry {
    absl::InlinedVector<OpenExchange*, 1> open;
    bool several = false;  // more than one request has had it
  };
  Entry& entry_of(uint64_t key);
  // The one that is open, if no other had it.
  OpenExchange* only(uint64_t key) const;

  absl::flat_hash_map<uint64_t, Entry> by_key_;
  std::deque<uint64_t> by_age_;
  bool active_ = false;
};

template <typename Archive>
void PassedOn::io(Archive& a) {
  std::vector<std::pair<uint64_t, bool>> keys;
  for (uint64_t key : by_age_) keys.emplace_back(key, by_key_[key].several);
  a(active_, keys);
  if constexpr (Archive::kReads) {
    if (keys.size() > kRemembered) return a.fail();
    for (auto [key, several] : keys) entry_of(key).several = several;
  }
}

}  // namespace telinject::drain
