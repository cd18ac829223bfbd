// What is sent together: encoded items, and how a request's body is made of any run of them.
//
// An item is one event or span in the format of its receiver. A batch that a receiver finds too
// large is halved, down to one item, so items must stand by themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shim/channel/ids.h"

namespace telinject::delivery {

class Framing;

struct Batch {
  std::shared_ptr<const Framing> framing;  // never null in a batch that is added
  std::string encoded;                     // one item after another, nothing between them
  std::vector<uint32_t> ends;              // of each item: the offset behind its last byte
  std::vector<TraceId> traces;             // of each item; zero: it belongs to none
  // Of each item, what the framing wants to know of it (OTLP: which resource and scope it belongs
  // to). Empty: 0 for all.
  std::vector<uint32_t> groups;

  size_t size() const { return ends.size(); }
  std::string_view item(size_t i) const {
    size_t from = i == 0 ? 0 : ends[i - 1];
    return std::string_view(encoded).substr(from, ends[i] - from);
  }
  uint32_t group(size_t i) const { return groups.empty() ? 0 : groups[i]; }
  void add(std::string_view bytes, TraceId trace, uint32_t group = 0);
  // Items [from, to), for the same framing.
  Batch part(size_t from, size_t to) const;
  // Those of a batch with the same framing, behind its own.
  void append(const Batch& more);
  // What it takes in memory, about.
  size_t bytes() const {
    return encoded.size() + ends.size() * (sizeof(uint32_t) + sizeof(TraceId)) +
           groups.size() * sizeof(uint32_t);
  }
};

// Makes requests' bodies, of what surrounds the items. Does not change once a batch refers to it.
// Used by the threads of Delivery: thread-safe without a lock.
class Framing {
 public:
  virtual ~Framing() = default;
  // Appends the body with items [from, to) of the batch.
  virtual void append_body(const Batch& batch, size_t from, size_t to, std::string* body) const = 0;
  // What is left undelivered goes to a file (left_file.h), and another process makes the framing
  // anew: of its kind ("ndjson", "otlp-traces") and of this text, which may be of any bytes.
  virtual std::string_view kind() const = 0;
  virtual std::string save() const { return {}; }
};

}  // namespace telinject::delivery
