#include "shim/drain/records/record_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "shim/channel/layout.h"
#include "shim/channel/record.h"

namespace telinject::drain {

namespace {

constexpr size_t kBlockBytes = RecordMemory::kMaxBytes;  // a huge page
static_assert(kBlockBytes >= kChunkBytes, "a run fits in a block");
constexpr size_t kMostKeptBlocks = 8;
std::atomic<size_t> kept_blocks = kMostKeptBlocks;

// Aligned to its size, or it would hold no huge page.
std::byte* map_block() {
  constexpr size_t kRoom = 2 * kBlockBytes;
  void* room = mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) throw std::bad_alloc();
  auto* start = static_cast<std::byte*>(room);
  size_t before = (kBlockBytes - reinterpret_cast<uintptr_t>(start) % kBlockBytes) % kBlockBytes;
  if (before > 0) munmap(start, before);
  munmap(start + before + kBlockBytes, kRoom - before - kBlockBytes);
  return start + before;
}

}  // namespace

std::byte* RecordMemory::Pool::take() {
  bool first;
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::byte* block = free_.back();
      free_.pop_back();
      return block;
    }
    first = std::exchange(first_, false);
    mapped_++;
  }
  std::byte* block = map_block();
  // A program that records little is not worth clearing a huge page for. Without them it is slower,
  // no more.
  if (!first) madvise(block, kBlockBytes, MADV_HUGEPAGE);
  return block;
}

void RecordMemory::Pool::give(std::byte* block) {
  {
    std::lock_guard lock(mutex_);
    if (free_.size() < kept_blocks.load(std::memory_order_relaxed)) {
      free_.push_back(block);
      return;
    }
    mapped_--;
  }
  munmap(block, kBlockBytes);
}

size_t RecordMemory::Pool::mapped() const {
  std::lock_guard lock(mutex_);
  return mapped_;
}

RecordMemory::Pool::~Pool() {
  for (std::byte* block : free_) munmap(block, kBlockBytes);
}

void RecordMemory::keep_at_most(size_t bytes) {
  kept_blocks.store(std::clamp<size_t>(bytes / kBlockBytes, 1, kMostKeptBlocks));
}

size_t RecordMemory::mapped_bytes() const {
  return pool_->mapped() * kBlockBytes;
}

RecordBytes RecordMemory::reserve(size_t size, std::byte** place) {
  if (block_ == nullptr || used_ + size > kBlockBytes) {
    block_ = std::shared_ptr<std::byte>(pool_->take(),
                                        [pool = pool_](std::byte* block) { pool->give(block); });
    used_ = 0;
  }
  *place = block_.get() + used_;
  // Whatever lies before it, a record is aligned.
  used_ += (size + kUnitBytes - 1) / kUnitBytes * kUnitBytes;
  return {std::shared_ptr<const std::byte>(block_, *place), size};
}

RecordBytes RecordMemory::copy(const std::byte* from, size_t size) {
  std::byte* place;
  RecordBytes bytes = reserve(size, &place);
  std::memcpy(place, from, size);
  return bytes;
}

}  // namespace telinject::drain
