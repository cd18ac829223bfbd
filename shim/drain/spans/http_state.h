// What a process's HTTP messages have told so far.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "shim/drain/spans/open_operations.h"
#include "shim/drain/spans/passed_on.h"
#include "shim/http/exchange.h"

namespace telinject::drain {

// The most of each that a process may have: beyond, the oldest has to go.
inline constexpr size_t kMaxTransfers = 65536;
inline constexpr size_t kMaxTlsConnections = 65536;
inline constexpr size_t kMaxHttpConnections = 65536;

// An exchange and who of the drain refers to it.
struct OpenExchange : OpenOperation {
  using Key = std::pair<uint64_t, uint64_t>;  // connection; exchange or stream

  HttpExchange http;
  struct HttpState* transfer_of = nullptr;  // where its transfer is

  Key key() const { return {http.connection, http.number}; }

  // What is left to another processor (processor_state.cpp) is the exchange alone: all that refers
  // to it says so itself.
  template <typename Archive>
  void io(Archive& a) {
    OpenOperation::io(a);
    a(http);
  }
};

// A transfer of libcurl, from perform or add_handle on.
struct HttpTransfer {
  uint64_t place = 0;  // where its ids begin, as place_of() tells it
  OperationSpan span;  // with its first id
  bool sampled = true, ended = false;
  std::string url;
  uint32_t ids = 0, exchanges = 0;
  // Span of its first exchange in its trace, if that is a root: the parent of the others.
  uint64_t root = 0;
  std::set<uint64_t> sent_ids;
  OpenExchange* last = nullptr;  // waits for the transfer's end when it has ended itself

  template <typename Archive>
  void io(Archive& a) {
    a(place, span, sampled, ended, url, ids, exchanges, root, sent_ids);
    a.refer(last);
  }
};

// A TLS connection that is not decrypted.
struct OpaqueTls {
  OperationSpan span;
  bool sampled = true;
  uint64_t end_ticks = 0, sent_bytes = 0, received_bytes = 0;
  TlsFacts facts;

  template <typename Archive>
  void io(Archive& a) {
    a(span, sampled, end_ticks, sent_bytes, received_bytes, facts);
  }
};

struct HttpState : OperationState {
  using Key = OpenExchange::Key;
  OpenOperations<Key, OpenExchange> open;
  std::map<uint64_t, HttpTransfer> transfers;  // by number
  std::map<uint64_t, uint64_t> issued;         // first place -> transfer
  std::deque<uint64_t> ended_transfers;        // known for a while
  PassedOn passed_on;                          // requests that are served
  std::map<uint64_t, OpaqueTls> tls;
  // Streams that are over, the last ones: more may be said of them.
  absl::flat_hash_set<Key> over;
  std::deque<Key> over_by_age;

  // Of all that is open.
  template <typename Visit>
  void each_span(Visit&& visit) const {
    open.each([&](const OpenExchange* exchange) { visit(exchange->span); });
    for (const auto& [number, transfer] : transfers) visit(transfer.span);
    for (const auto& [number, connection] : tls) visit(connection.span);
  }

  bool is_over(Key key) const { return over.contains(key); }
  void remember(Key key) {
    constexpr size_t kKept = 4096;
    if (!over.insert(key).second) return;
    over_by_age.push_back(key);
    if (over_by_age.size() <= kKept) return;
    over.erase(over_by_age.front());
    over_by_age.pop_front();
  }

  // Served requests that are open, the oldest first.
  template <typename Visit>
  void each_served(Visit&& visit) const {
    open.each([&](OpenExchange* exchange) {
      bool served = exchange->http.role == HttpRole::kServer && exchange->http.request_known;
      if (served) visit(exchange);
    });
  }

  // `open` comes before the rest of any process: a transfer's exchanges may be another process's of
  // the segment.
  template <typename Archive>
  void io_rest(Archive& a);
};

template <typename Archive>
void HttpState::io_rest(Archive& a) {
  a(transfers, issued, ended_transfers, tls, over_by_age, passed_on);
  if constexpr (Archive::kReads) {
    each_served([&](OpenExchange* served) { passed_on.serve_again(served); });
    over.insert(over_by_age.begin(), over_by_age.end());
    for (auto& [number, transfer] : transfers) {
      OpenExchange* last = transfer.last;
      if (last == nullptr) continue;
      if (last->http.transfer != number || last->transfer_of != nullptr) return a.fail();
      last->transfer_of = this;
    }
  }
}

// A segment's connections by number: forked children go on with what they inherited.
// Numbers rise, so the oldest is first.
using HttpConnections = absl::btree_map<uint64_t, HttpConnection>;

}  // namespace telinject::drain
