// What waits to be sent: in memory, then in a spool file; beyond both, whole traces are left out.
//
// When an item finds no room, the items of its trace that come later are left out, too, until what
// waits has halved: traces that are missing are better than many with holes. What was taken before
// stays. For one thread at a time, but for what is taken out.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "shim/delivery/batch.h"
#include "shim/delivery/delivery.h"
#include "shim/sinks/spool.h"

namespace telinject::delivery {

class WaitingItems {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  WaitingItems(const Delivery::Limits& limits, Spool::Tell tell);

  // Returns how many of its items found no room.
  uint64_t add(Batch batch, TimePoint now);
  // A batch in the spool.
  struct Stored {
    std::shared_ptr<const Framing> framing;
    uint64_t offset = 0, bytes = 0;
    size_t items = 0;
  };
  // The oldest batch that is full or has waited for Limits::linger; with `all`, any. Null if there
  // is none, or if it is in the spool: then take_stored() has it. What it takes counts as memory in
  // use as long as anybody holds it.
  std::shared_ptr<const Batch> take(TimePoint now, bool all);
  std::optional<Stored> take_stored(TimePoint now, bool all);
  // Null if it cannot be read. Other threads may call the other functions meanwhile.
  std::shared_ptr<const Batch> read(const Stored& stored);
  // When one of the two gives something; TimePoint::max() if there is nothing.
  TimePoint due(bool all) const;
  // Forgets all, and returns how many items these were.
  size_t clear();

  bool empty() const { return entries_.empty(); }
  uint64_t memory_bytes() const { return memory_->load(); }

 private:
  struct Entry {
    Batch batch;                   // if it is in memory
    std::optional<Stored> stored;  // if it is in the spool
    size_t items = 0;
    uint64_t counted = 0;  // as memory in use
    TimePoint since;
  };

  bool is_full(const Entry& entry) const;
  bool merge(const Batch& batch, uint64_t bytes);
  bool spool(const Batch& batch, TimePoint now);
  Batch without_dropped(const Batch& batch) const;
  void drop(const Batch& batch);
  bool is_due(TimePoint now, bool all) const { return !entries_.empty() && due(all) <= now; }
  std::shared_ptr<const Batch> counted(Batch batch, uint64_t bytes) const;

  const Delivery::Limits limits_;
  Spool spool_;
  std::deque<Entry> entries_;
  std::shared_ptr<std::atomic<uint64_t>> memory_;
  absl::flat_hash_set<std::pair<uint64_t, uint64_t>> dropped_traces_;
};

}  // namespace telinject::delivery
