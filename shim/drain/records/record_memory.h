// Memory for records between collector and processor.
//
// The collector must copy faster than the program writes, and the first touch of a page costs as
// much as copying ten. So the memory is taken in huge pages, filled one run behind the other, and
// used again when all runs in it have been processed. It does not come from the heap, which would
// give little of it back to the system.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace telinject::drain {

// Bytes that stay where they are until the last owner is gone. Copies share them.
class RecordBytes {
 public:
  RecordBytes() = default;
  RecordBytes(std::shared_ptr<const std::byte> bytes, size_t size)
      : bytes_(std::move(bytes)), size_(size) {}

  const std::byte* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  // A part of it, which keeps the whole alive.
  RecordBytes part(size_t from, size_t size) const {
    return {std::shared_ptr<const std::byte>(bytes_, bytes_.get() + from), size};
  }

 private:
  std::shared_ptr<const std::byte> bytes_;
  size_t size_ = 0;
};

class RecordMemory {
 public:
  // Both are for one thread at a time; what they return may go to any. At most kMaxBytes.
  static constexpr size_t kMaxBytes = 2 << 20;
  RecordBytes copy(const std::byte* from, size_t size);
  // To be filled through *place, before another thread sees it.
  RecordBytes reserve(size_t size, std::byte** place);

  // For all of this process: what is not used is kept for the next one, so much of it at most in
  // each. From any thread.
  static void keep_at_most(size_t bytes);

  // The size of all blocks that the system has given, used or not. From any thread.
  size_t mapped_bytes() const;

 private:
  // Unused blocks, for threads in any order. Outlives the memory as long as blocks do.
  class Pool {
   public:
    std::byte* take();
    void give(std::byte* block);
    size_t mapped() const;
    ~Pool();

   private:
    mutable std::mutex mutex_;
    std::vector<std::byte*> free_;
    size_t mapped_ = 0;  // blocks
    bool first_ = true;
  };

  std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
  std::shared_ptr<std::byte> block_;
  size_t used_ = 0;
};

}  // namespace telinject::drain
