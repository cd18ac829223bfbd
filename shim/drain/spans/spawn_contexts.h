// What was open where threads and programs were started: a thread's creator, or a program that
// executes another, leaves a record, and names it to what it starts.
//
// Owns the contexts at those records, the last 65536 of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "shim/channel/message.h"
#include "shim/drain/records/segment_view.h"
#include "shim/drain/tree/call_tree.h"

namespace telinject::drain {

class SpawnContexts {
 public:
  // At the record in that place.
  void add(uint64_t segment_key, uint32_t lane, uint64_t position, const ParentContext& context);
  // What the thread's roots continue: the span that was open at the record which its creator left
  // for it, or failing that what it was told. Nothing: they start traces.
  std::optional<ParentContext> context_of(const SegmentInfo& segment,
                                          const ThreadMessage& message) const;

  template <typename Archive>
  void io(Archive& a) {
    a(contexts_, by_age_);
  }

 private:
  static constexpr size_t kMost = 1 << 16;
  struct Place {
    uint64_t segment, position;
    uint32_t lane;
    bool operator==(const Place&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Place& place) {
      return H::combine(std::move(h), place.segment, place.position, place.lane);
    }
  };

  absl::flat_hash_map<Place, ParentContext> contexts_;
  std::deque<Place> by_age_;
};

}  // namespace telinject::drain
