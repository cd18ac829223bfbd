// A segment as a program makes it, and the writing side of its lanes.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "shim/channel/layout.h"
#include "shim/channel/message.h"
#include "shim/channel/record.h"

namespace telinject::test {

class TestSegment {
 public:
  explicit TestSegment(uint32_t lanes = 2, uint32_t chunks = 32, bool sealed = true)
      : bytes_(segment_bytes(lanes, chunks)), lanes_(lanes), chunks_(chunks) {
    memfd_ = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memfd_ < 0 || ftruncate(memfd_, static_cast<off_t>(bytes_)) != 0) fail();
    if (sealed && fcntl(memfd_, F_ADD_SEALS, F_SEAL_SHRINK) != 0) fail();
    void* base = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, memfd_, 0);
    if (base == MAP_FAILED) fail();
    base_ = static_cast<std::byte*>(base);
    SegmentHeader* h = header();
    h->magic = kSegmentMagic;
    h->layout_version = kLayoutVersion;
    h->header_bytes = sizeof(SegmentHeader);
    h->segment_bytes = bytes_;
    h->lane_count = lanes;
    h->chunk_count = chunks;
    h->entry_chunks.store(chunks);
    h->key[0] = 0x0123456789abcdef;
    h->key[1] = 0xfedcba9876543210;
    h->pid = 4711;
    h->clock = ClockKind::kMonotonic;
  }
  ~TestSegment() {
    unmap();
    close(memfd_);
  }
  TestSegment(const TestSegment&) = delete;
  TestSegment& operator=(const TestSegment&) = delete;

  // For SegmentView, which takes it over.
  int descriptor() const { return fcntl(memfd_, F_DUPFD_CLOEXEC, 0); }
  SegmentHeader* header() const { return reinterpret_cast<SegmentHeader*>(base_); }
  std::byte* bytes() const { return base_; }
  size_t size() const { return bytes_; }
  LaneHeader* lane(uint32_t lane) const {
    return reinterpret_cast<LaneHeader*>(base_ + lane_headers_offset()) + lane;
  }
  ChunkEntry* entry(uint32_t chunk) const {
    return reinterpret_cast<ChunkEntry*>(base_ + chunk_table_offset(lanes_)) + chunk;
  }
  std::byte* chunk(uint32_t chunk) const {
    return base_ + pool_offset(lanes_, chunks_) + uint64_t{chunk} * kChunkBytes;
  }
  uint32_t chunk_count() const { return chunks_; }
  // A free chunk or one that was never used; none left: the first.
  uint32_t take_chunk() {
    SegmentHeader* h = header();
    uint64_t head = h->free_chunks.load();
    uint32_t taken = static_cast<uint32_t>(head) - 1;
    if (taken < chunks_) {
      h->free_chunks.store(((head >> 32) + 1) << 32 | entry(taken)->free.load());
    } else {
      taken = h->fresh_chunks.load() < chunks_ ? h->fresh_chunks.fetch_add(1) : 0;
    }
    h->chunks_in_use++;
    return taken;
  }
  // As at the program's end.
  void unmap() {
    if (base_ != nullptr) munmap(base_, bytes_);
    base_ = nullptr;
  }

 private:
  [[noreturn]] static void fail() { throw std::runtime_error("cannot make a memory file"); }

  int memfd_;
  size_t bytes_;
  uint32_t lanes_, chunks_;
  std::byte* base_ = nullptr;
};

// The producer of one lane. It looks at no limits: tests say when to go on to another chunk.
class LaneWriter {
 public:
  LaneWriter(TestSegment* segment, uint32_t lane)
      : segment_(segment), lane_(lane), header_(segment->lane(lane)) {
    number_ = header_->start.load();
    take(number_);
    header_->owner.word.store(1);
    header_->open.store(number_);
    header_->first_chunk.store(chunk_ + 1);
    segment->header()->claimed[lane / 64].fetch_or(uint64_t{1} << lane % 64);
  }

  uint64_t position() const { return lane_position(number_, offset_); }
  uint64_t offset() const { return offset_; }
  uint32_t chunk() const { return chunk_; }
  std::byte* place() const { return segment_->chunk(chunk_) + offset_; }
  void end() { header_->owner.word.fetch_or(kOwnerDied); }

  // Each returns the record's position.
  uint64_t entry(uint64_t ticks, uint64_t function, uint64_t call_site, uint64_t sp,
                 uint64_t return_address) {
    return put(ticks, function, call_site | kSecondUnit, (sp & 0xffffffff) | return_address << 32,
               kEntryBytes);
  }
  uint64_t exit(uint64_t ticks, uint64_t function, uint64_t sp) {
    return put(ticks | kExitBit, (function & 0xffffffff) | sp << 32, 0, 0, kExitBytes);
  }
  uint64_t control(uint64_t ticks, ControlKind kind, uint64_t a = 0, uint64_t b = 0,
                   uint64_t c = 0) {
    return put(ticks, control_word(kind, a), (b & kTicksMask) | kSecondUnit, c, kControlBytes);
  }
  void message(uint64_t ticks, MessageType type, const void* data, size_t bytes) {
    control(ticks, ControlKind::kMessage, static_cast<uint64_t>(type), bytes);
    std::string padded(static_cast<const char*>(data), bytes);
    padded.resize((message_records(bytes) - 1) * kMessageDataBytes);
    for (size_t at = 0; at < padded.size(); at += kMessageDataBytes) {
      uint64_t a = 0, b = 0, c = 0;
      std::memcpy(&a, &padded[at], 6);
      std::memcpy(&b, &padded[at + 6], 7);
      std::memcpy(&c, &padded[at + 13], 8);
      control(ticks, ControlKind::kMessageData, a, b, c);
    }
  }
  // To another chunk, as a producer does whose chunk is full.
  void next_chunk() {
    ChunkEntry* entry = segment_->entry(chunk_);
    entry->end.store(static_cast<uint32_t>(offset_));
    take(number_ + 1);
    entry->next.store(chunk_);
    header_->open.store(++number_);
    offset_ = 0;
  }
  // Reserved by a hook that never wrote.
  void hole(size_t bytes) { offset_ += bytes; }
  void move_to(uint64_t offset) { offset_ = offset; }

 private:
  uint64_t put(uint64_t first, uint64_t a, uint64_t b, uint64_t c, size_t bytes) {
    uint64_t at = position();
    auto* record = reinterpret_cast<uint64_t*>(place());
    record[1] = a;
    if (bytes > kUnitBytes) {
      record[2] = b;
      record[3] = c;
    }
    reinterpret_cast<std::atomic<uint64_t>*>(record)->store(first, std::memory_order_release);
    offset_ += bytes;
    return at;
  }

  void take(uint64_t number) {
    chunk_ = segment_->take_chunk();
    segment_->entry(chunk_)->lane.store(lane_);
    segment_->entry(chunk_)->number.store(number);
  }

  TestSegment* segment_;
  uint32_t lane_;
  LaneHeader* header_;
  uint32_t chunk_ = 0;
  uint64_t number_ = 0, offset_ = 0;
};

}  // namespace telinject::test
