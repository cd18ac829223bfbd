#include "shim/drain/records/chunk_pool.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>

namespace telinject::drain {

namespace {

constexpr uint32_t kNoChunk = ~uint32_t{0};
uint64_t changed(uint64_t head, uint32_t first) {
  return ((head >> 32) + 1) << 32 | first;
}

}  // namespace

void ChunkPool::push(uint32_t chunk) {
  std::atomic<uint64_t>& head = segment_->header()->free_chunks;
  uint64_t old = head.load(std::memory_order_relaxed);
  do {
    segment_->entry(chunk)->free.store(static_cast<uint32_t>(old), std::memory_order_relaxed);
  } while (!head.compare_exchange_weak(old, changed(old, chunk + 1), std::memory_order_release));
}

uint32_t ChunkPool::pop() {
  std::atomic<uint64_t>& head = segment_->header()->free_chunks;
  uint64_t old = head.load(std::memory_order_acquire);
  for (;;) {
    uint32_t chunk = static_cast<uint32_t>(old) - 1;
    if (chunk >= segment_->chunk_count()) return kNoChunk;
    uint32_t next = segment_->entry(chunk)->free.load(std::memory_order_relaxed);
    if (head.compare_exchange_weak(old, changed(old, next), std::memory_order_acquire)) {
      return chunk;
    }
  }
}

void ChunkPool::release(uint32_t chunk, size_t bytes) {
  if (!segment_->writable()) return;
  std::memset(segment_->chunk(chunk), 0, std::min<size_t>(bytes, kChunkBytes));
  SegmentHeader* header = segment_->header();
  push(chunk);
  header->chunks_in_use.fetch_sub(1, std::memory_order_seq_cst);
  if (header->room_wanted.load(std::memory_order_seq_cst) == 0) return;
  header->room_wanted.store(0, std::memory_order_relaxed);
  header->room_futex.fetch_add(1, std::memory_order_seq_cst);
  syscall(SYS_futex, &header->room_futex, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// A program may have made a loop of the stack: no more is taken from it than there can be.
void ChunkPool::trim(size_t kept) {
  if (!segment_->writable()) return;
  std::vector<uint32_t> chunks;
  while (chunks.size() < segment_->chunk_count()) {
    uint32_t chunk = pop();
    if (chunk == kNoChunk) break;
    chunks.push_back(chunk);
  }
  for (size_t i = kept; i < chunks.size(); i++) {
    if (dropped_[chunks[i]]) continue;
    segment_->drop_memory(chunks[i]);
    dropped_[chunks[i]] = true;
  }
  for (size_t i = chunks.size(); i > 0; i--) push(chunks[i - 1]);
}

uint32_t ChunkPool::in_use() const {
  uint32_t said = segment_->header()->chunks_in_use.load(std::memory_order_relaxed);
  return std::min(said, segment_->chunk_count());
}

bool ChunkPool::is_used_up() const {
  return in_use() >= segment_->header()->entry_chunks.load(std::memory_order_relaxed);
}

void ChunkPool::allow(uint32_t entry_chunks, uint32_t bell_chunks, bool room_comes) {
  if (!segment_->writable()) return;
  SegmentHeader* header = segment_->header();
  if (header->room_comes.load(std::memory_order_relaxed) != uint32_t{room_comes}) {
    header->room_comes.store(uint32_t{room_comes}, std::memory_order_relaxed);
  }
  if (header->entry_chunks.load(std::memory_order_relaxed) != entry_chunks) {
    header->entry_chunks.store(entry_chunks, std::memory_order_relaxed);
  }
  if (header->bell_chunks.load(std::memory_order_relaxed) != bell_chunks) {
    header->bell_chunks.store(bell_chunks, std::memory_order_relaxed);
  }
}

}  // namespace telinject::drain
