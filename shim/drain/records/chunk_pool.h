// The drain's side of a segment's pool of chunks: gives them back to the program, and what is not
// needed any more to the system.
#pragma once

#include <cstdint>
#include <vector>

#include "shim/drain/records/segment_view.h"

namespace telinject::drain {

class ChunkPool {
 public:
  explicit ChunkPool(SegmentView* segment) : segment_(segment) {}

  // Zeroes the first `bytes` of it and puts it on the stack of free chunks; wakes producers that
  // wait for room. Does nothing where the segment cannot be written to.
  void release(uint32_t chunk, size_t bytes);

  // A lane reads from it: it has memory again.
  void note_used(uint32_t chunk) { dropped_[chunk] = false; }

  // Gives the memory of free chunks back to the system, but for so many that come next. What has
  // been given back stays at the bottom of the stack.
  void trim(size_t kept);

  // Chunks that the program has, as far as it says.
  uint32_t in_use() const;

  bool is_used_up() const;

  // Tells the program: while so many are in use, entries are refused; how many chunks a lane leaves
  // unread before it wakes the drain; whether waiting for room is worth it.
  void allow(uint32_t entry_chunks, uint32_t bell_chunks, bool room_comes);

 private:
  uint32_t pop();
  void push(uint32_t chunk);

  SegmentView* segment_;
  std::vector<bool> dropped_ = std::vector<bool>(segment_->chunk_count());
};

}  // namespace telinject::drain
