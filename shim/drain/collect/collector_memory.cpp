// How much memory records may take that wait, and who gets it.
#include <algorithm>

#include "shim/channel/clock.h"
#include "shim/channel/limits.h"
#include "shim/drain/collect/collector.h"

namespace telinject::drain {

namespace {

// If all that is written comes from the collector's own core, so many chunks (1 MiB) wait before
// the program wakes it. Fewer would wake it more often; more would not stay in the cache.
constexpr uint32_t kSharedBellChunks = 16;
// What free chunks held is given back after so long: all that was not needed in that time.
constexpr uint64_t kTrimNs = 500 * kMillisecond;
constexpr size_t kKeptChunks = 4;
// Between two looks at the memory that is left: more often while much of it is held.
constexpr uint64_t kLookNs = 1000 * kMillisecond, kLookOftenNs = 50 * kMillisecond;
constexpr uint64_t kMuch = 4;  // a fourth of what may be held
// Of what may wait, so much for what is kept for the next batches.
constexpr uint64_t kKeptShare = 16;

}  // namespace

// Idle lanes hold chunks that are hardly touched, so they do not count.
uint64_t Collector::busy_chunks(const OpenSegment& segment) {
  uint64_t idle = segment.lanes.size() * kIdleLaneChunks, in_use = segment.pool->in_use();
  return in_use > idle ? in_use - idle : 0;
}

uint64_t Collector::held_bytes() const {
  uint64_t held = queue_->memory_bytes();
  for (const auto& [id, segment] : segments_) held += busy_chunks(segment) * kChunkBytes;
  return held;
}

// The program may need the memory, or somebody take it away.
void Collector::follow_memory() {
  uint64_t since = round_ns_ - looked_ns_;
  if (since < kLookOftenNs) return;
  uint64_t held = held_bytes();
  if (since < kLookNs && held < waiting_bytes_ / kMuch) return;
  looked_ns_ = round_ns_;
  if (!waiting_.fixed) {
    waiting_bytes_ = waiting_bytes_now(waiting_.most, memory_room(), held);
    queue_->set_limit(waiting_bytes_ / 2);
  }
  RecordMemory::keep_at_most(waiting_bytes_ / kKeptShare);
}

// What the queue does not use, the lanes may; each segment the same share of it.
void Collector::share_memory() {
  if (segments_.empty()) return;
  bool room_comes = !queue_->full();
  uint64_t used = held_bytes() / kChunkBytes;
  uint64_t all = waiting_bytes_ / kChunkBytes;
  uint64_t share = all > used ? (all - used) / segments_.size() : 0;
  uint32_t bell = shares_core_ ? kSharedBellChunks : 1;
  // Lanes that we have not seen yet.
  constexpr uint64_t kNewLanes = 16;
  for (auto& [id, segment] : segments_) {
    uint64_t entries = std::max<uint64_t>(kMinEntryChunks, busy_chunks(segment) + share);
    entries += (segment.lanes.size() + kNewLanes) * kIdleLaneChunks;
    uint64_t chunks = segment.view->chunk_count();
    uint64_t most = chunks > 2 * kExitChunks ? chunks - kExitChunks : chunks / 2;
    segment.pool->allow(static_cast<uint32_t>(std::min(entries, most)), bell, room_comes);
    segment.most_in_use = std::max(segment.most_in_use, segment.pool->in_use());
  }
}

void Collector::trim_pools() {
  if (round_ns_ - trimmed_ns_ < kTrimNs) return;
  trimmed_ns_ = round_ns_;
  for (auto& [id, segment] : segments_) {
    segment.pool->trim(std::max<size_t>(segment.most_in_use, kKeptChunks));
    segment.most_in_use = 0;
  }
}

}  // namespace telinject::drain
