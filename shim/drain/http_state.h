// What a process's HTTP messages have told so far.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "shim/http/exchange.h"

namespace telinject {

// Of each there are so many at most: the oldest has to go.
inline constexpr size_t kMaxOpenExchanges = 65536;
inline constexpr size_t kMaxTransfers = 65536;
inline constexpr size_t kMaxTlsConnections = 65536;
inline constexpr size_t kMaxHttpConnections = 65536;

// An exchange and who of the drain refers to it.
struct OpenExchange {
  HttpExchange http;
  struct Process* process = nullptr;
  struct Thread* server_of = nullptr;       // this server span is open on that thread
  struct HttpState* transfer_of = nullptr;  // where its transfer is
  std::list<OpenExchange*>::iterator age;
};

// Of libcurl, from perform or add_handle on.
struct HttpTransfer {
  uint64_t place = 0;  // where its ids begin, as place_of() tells it
  HttpSpan span;       // with its first id
  bool sampled = true, ended = false;
  std::string url;
  uint32_t ids = 0, exchanges = 0;
  uint64_t root =
      0;  // span of its first exchange in its trace, if that is a root: the parent of the others
  std::set<uint64_t> sent_ids;
  OpenExchange* last = nullptr;  // waits for the transfer's end when it has ended itself
};

// A TLS connection that nobody decrypts.
struct OpaqueTls {
  HttpSpan span;
  bool sampled = true;
  uint64_t end_ticks = 0, sent_bytes = 0, received_bytes = 0;
  std::string name;        // that the client asked for, or the peer's address
  std::string attributes;  // JSON members, each ended by a comma
};

struct HttpState {
  using Key = std::pair<uint64_t, uint64_t>;  // connection; exchange or stream
  absl::flat_hash_map<Key, std::unique_ptr<OpenExchange>> open;
  std::list<OpenExchange*> by_age;
  std::map<uint64_t, HttpTransfer> transfers;              // by number
  std::map<uint64_t, uint64_t> issued;                     // first place -> transfer
  std::deque<uint64_t> ended_transfers;                    // known for a while
  absl::flat_hash_map<uint64_t, OpenExchange*> continued;  // server spans by the peer's span id
  std::map<uint64_t, OpaqueTls> tls;
  // Streams that are over, the last ones: more may be said of them.
  absl::flat_hash_set<Key> over;
  std::deque<Key> over_by_age;

  bool is_over(Key key) const { return over.contains(key); }
  void remember(Key key) {
    constexpr size_t kKept = 4096;
    if (!over.insert(key).second) return;
    over_by_age.push_back(key);
    if (over_by_age.size() <= kKept) return;
    over.erase(over_by_age.front());
    over_by_age.pop_front();
  }
};

// Of a segment, by number: forked children go on with what they inherited.
// In the order of their beginning, so that the oldest goes first.
using HttpConnections = absl::btree_map<uint64_t, HttpConnection>;

}  // namespace telinject
