#include "hooks/lane/chunks.h"

#include <sys/mman.h>

#include "hooks/lane/space.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

// Mapped bytes of a group, and one page of the next.
uint64_t mapped_bytes(uint32_t group) {
  uint32_t first = group_first_chunk(group);
  uint32_t count = group_chunks(group);
  if (count > g_process.chunk_count - first) count = g_process.chunk_count - first;
  return uint64_t{count} * kChunkBytes + kPageBytes;
}

// mremap(2) with an old size of 0 makes a second mapping of the same pages, of any length: started
// from the last mapped page, which is the group's first, it reaches further into the memfd without
// a descriptor. Threads that do so at the same time keep the first one's mapping.
bool map_group(uint32_t group) {
  if (g_process.chunk_base[group].load(std::memory_order_acquire) != 0) return true;
  if (group == 0 || group_first_chunk(group) >= g_process.chunk_count ||
      g_process.restricted.load(std::memory_order_relaxed) != 0 || !map_group(group - 1)) {
    return false;
  }
  uintptr_t anchor = g_process.chunk_base[group - 1].load(std::memory_order_relaxed) +
                     uint64_t{group_chunks(group - 1)} * kChunkBytes;
  long bytes = static_cast<long>(mapped_bytes(group));
  long base = sys::call(SYS_mremap, static_cast<long>(anchor), 0, bytes, MREMAP_MAYMOVE);
  if (sys::failed(base)) return false;
  uintptr_t none = 0;
  if (!g_process.chunk_base[group].compare_exchange_strong(none, static_cast<uintptr_t>(base))) {
    sys::call(SYS_munmap, base, bytes);
  }
  return true;
}

// The upper half changes with every change of the stack, so a link that was read before another
// thread took that chunk and gave it back cannot be put in its place.
uint32_t pop_free() {
  std::atomic<uint64_t>& head = g_process.segment->free_chunks;
  uint64_t old = head.load(std::memory_order_acquire);
  for (;;) {
    uint32_t chunk = static_cast<uint32_t>(old) - 1;
    if (chunk >= g_process.chunk_count) return kNoChunk;
    uint64_t next = g_process.chunk_table[chunk].free.load(std::memory_order_relaxed);
    uint64_t with = ((old >> 32) + 1) << 32 | next;
    if (head.compare_exchange_weak(old, with, std::memory_order_acquire)) return chunk;
  }
}

void push_free(uint32_t chunk) {
  std::atomic<uint64_t>& head = g_process.segment->free_chunks;
  uint64_t old = head.load(std::memory_order_relaxed);
  uint64_t with;
  do {
    g_process.chunk_table[chunk].free.store(static_cast<uint32_t>(old), std::memory_order_relaxed);
    with = ((old >> 32) + 1) << 32 | (chunk + 1);
  } while (!head.compare_exchange_weak(old, with, std::memory_order_release));
}

uint32_t take_fresh() {
  std::atomic<uint32_t>& fresh = g_process.segment->fresh_chunks;
  uint32_t chunk = fresh.load(std::memory_order_relaxed);
  do {
    if (chunk >= g_process.chunk_count) return kNoChunk;
  } while (!fresh.compare_exchange_weak(chunk, chunk + 1, std::memory_order_relaxed));
  return chunk;
}

bool exits_allowed(const SegmentHeader* segment) {
  uint64_t limit = segment->entry_chunks.load(std::memory_order_relaxed) + kExitChunks;
  return segment->chunks_in_use.load(std::memory_order_relaxed) < limit;
}

}  // namespace

bool entries_allowed(const Lane* lane) {
  const SegmentHeader* segment = g_process.segment;
  uint64_t limit = segment->entry_chunks.load(std::memory_order_relaxed);
  uint64_t in_use = segment->chunks_in_use.load(std::memory_order_relaxed);
  if (in_use >= limit) return false;
  uint64_t waiting = lane->number - lane->header->taken.load(std::memory_order_relaxed);
  return waiting <= 8 * (limit - in_use);
}

uint32_t take_chunk(Lane* lane, bool for_entry) {
  SegmentHeader* segment = g_process.segment;
  // What is written for a drain that has ended only takes memory.
  if (drain_has_gone()) return kNoChunk;
  if (for_entry ? !entries_allowed(lane) : !exits_allowed(segment)) return kNoChunk;
  segment->chunks_in_use.fetch_add(1, std::memory_order_relaxed);
  uint32_t chunk = pop_free();
  if (chunk == kNoChunk) chunk = take_fresh();
  if (chunk != kNoChunk && map_group(chunk_group(chunk))) return chunk;
  if (chunk != kNoChunk) {
    return_chunk(chunk);
  } else {
    segment->chunks_in_use.fetch_sub(1, std::memory_order_relaxed);
  }
  return kNoChunk;
}

void return_chunk(uint32_t chunk) {
  push_free(chunk);
  g_process.segment->chunks_in_use.fetch_sub(1, std::memory_order_relaxed);
}

uintptr_t chunk_address(uint32_t chunk) {
  uint32_t group = chunk_group(chunk);
  return g_process.chunk_base[group].load(std::memory_order_relaxed) +
         uint64_t{chunk - group_first_chunk(group)} * kChunkBytes;
}

void map_ahead(uint64_t bytes) {
  if (g_process.segment == nullptr) return;
  uint32_t chunks = static_cast<uint32_t>(bytes / kChunkBytes);
  if (chunks > g_process.chunk_count) chunks = g_process.chunk_count;
  if (chunks > 0) map_group(chunk_group(chunks - 1));
}

}  // namespace telinject::program
