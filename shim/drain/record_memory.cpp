#include "shim/drain/record_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "shim/channel/layout.h"

namespace telinject {

namespace {

constexpr size_t kBlockBytes = RecordMemory::kMaxBytes;  // a huge page
static_assert(kBlockBytes >= kMaxRingBytes + kSpillBytes, "a run fits in a block");
constexpr size_t kKeptBlocks = 8;

}  // namespace

std::byte* RecordMemory::Pool::take(size_t bytes) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::byte* block = free_.back();
      free_.pop_back();
      return block;
    }
    first = std::exchange(first_, false);
  }
  void* block = std::aligned_alloc(bytes, bytes);
  if (block == nullptr) throw std::bad_alloc();
  // A program that records little is not worth clearing a huge page for. Without them it is slower,
  // no more.
  if (!first) madvise(block, bytes, MADV_HUGEPAGE);
  return static_cast<std::byte*>(block);
}

void RecordMemory::Pool::give(std::byte* block) {
  {
    std::lock_guard lock(mutex_);
    if (free_.size() < kKeptBlocks) {
      free_.push_back(block);
      return;
    }
  }
  std::free(block);
}

RecordMemory::Pool::~Pool() {
  for (std::byte* block : free_) std::free(block);
}

RecordBytes RecordMemory::reserve(size_t size, std::byte** place) {
  if (block_ == nullptr || used_ + size > kBlockBytes) {
    block_ = std::shared_ptr<std::byte>(pool_->take(kBlockBytes),
                                        [pool = pool_](std::byte* block) { pool->give(block); });
    used_ = 0;
  }
  *place = block_.get() + used_;
  used_ += size;
  return {std::shared_ptr<const std::byte>(block_, *place), size};
}

RecordBytes RecordMemory::copy(const std::byte* from, size_t size) {
  std::byte* place;
  RecordBytes bytes = reserve(size, &place);
  std::memcpy(place, from, size);
  return bytes;
}

}  // namespace telinject
