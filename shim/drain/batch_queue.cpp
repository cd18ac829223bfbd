#include "shim/drain/batch_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace telinject {

Run unpacked(const Run& run, RecordUnpacker* unpacker, RecordMemory* memory) {
  if (run.unpacked_bytes == 0) return run;
  std::byte* place;
  RecordBytes room = memory->reserve(run.unpacked_bytes, &place);
  size_t packed = run.bytes.size();
  size_t size = unpacker->unpack({run.bytes.data(), packed}, packed, place, run.unpacked_bytes);
  return {run.position, room.part(0, size), run.messages};
}

bool is_awaited(const Batch& batch) {
  return std::any_of(batch.notices.begin(), batch.notices.end(), [](const Notice& notice) {
    return notice.kind == Notice::Kind::kProgramEnded || notice.kind == Notice::Kind::kFlush ||
           notice.kind == Notice::Kind::kLastWords;
  });
}

void BatchQueue::pack(Waiting* waiting) {
  packer_.clear();
  for (const LaneRun& run : waiting->batch.runs) {
    const RecordBytes& bytes = run.run.bytes;
    waiting->run_bytes.push_back(packer_.pack(bytes.data(), bytes.size()));
  }
  waiting->packed_bytes = packer_.packed().size();
}

// In the packer's place, which is used again; so that the collector's memory is free for its next
// round, too.
void BatchQueue::keep_packed(Waiting* waiting) {
  const std::byte* packed = packer_.packed().data();
  for (size_t i = 0; i < waiting->run_bytes.size(); i++) {
    Run& run = waiting->batch.runs[i].run;
    run.unpacked_bytes = run.bytes.size();
    run.bytes = {};
    if (!waiting->spooled && run.unpacked_bytes > 0)
      run.bytes = packed_memory_.copy(packed, waiting->run_bytes[i]);
    packed += waiting->run_bytes[i];
  }
}

void BatchQueue::push(Batch batch) {
  Waiting waiting;
  waiting.batch = std::move(batch);
  pack(&waiting);
  bool to_disk = false;
  if (waiting.packed_bytes > 0 && spool_ != nullptr && spool_->has_room()) {
    std::lock_guard lock(mutex_);
    spilling_ = packed_bytes_ + waiting.packed_bytes > limit_bytes_ || must_spill();
    to_disk = spilling_;
  }
  waiting.spooled = to_disk && spool_->write(packer_.packed(), &waiting.offset);
  keep_packed(&waiting);
  std::lock_guard lock(mutex_);
  if (to_disk && !waiting.spooled) spilling_ = false;
  if (!waiting.spooled) packed_bytes_ += waiting.packed_bytes;
  waiting_ += waiting.batch.bytes;
  awaited_ += telinject::is_awaited(waiting.batch);
  batches_.push_back(std::move(waiting));
  filled_.notify_one();
}

// Of what could not be read the end is missing.
void BatchQueue::fetch(Waiting* waiting) {
  uint64_t offset = waiting->offset;
  for (size_t i = 0; i < waiting->run_bytes.size(); i++) {
    size_t size = waiting->run_bytes[i];
    std::byte* place;
    RecordBytes bytes = memory_.reserve(size, &place);
    size_t there = spool_->read(offset, size, place);
    memset(place + there, 0, size - there);
    waiting->batch.runs[i].run.bytes = std::move(bytes);
    offset += size;
  }
}

Batch BatchQueue::pop_packed() {
  Waiting waiting;
  {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return !batches_.empty(); });
    waiting = std::move(batches_.front());
    batches_.pop_front();
    waiting_ -= waiting.batch.bytes;
    if (!waiting.spooled) {
      packed_bytes_ -= waiting.packed_bytes;
      extra_bytes_ -= std::min(extra_bytes_, waiting.packed_bytes);
    }
    done_ += std::exchange(in_hand_, waiting.batch.bytes);
    awaited_ -= telinject::is_awaited(waiting.batch);
  }
  if (waiting.spooled) fetch(&waiting);
  return std::move(waiting.batch);
}

Batch BatchQueue::pop() {
  Batch batch = pop_packed();
  for (LaneRun& run : batch.runs) run.run = unpacked(run.run, &unpacker_, &memory_);
  return batch;
}

bool BatchQueue::full() const {
  std::lock_guard lock(mutex_);
  return (packed_bytes_ >= limit_bytes_ + extra_bytes_ || must_spill()) &&
         (spool_ == nullptr || !spool_->has_room());
}

bool BatchQueue::must_spill() const {
  return spilling_ && packed_bytes_ > limit_bytes_ / 2;
}

void BatchQueue::hold() {
  std::lock_guard lock(mutex_);
  extra_bytes_ = limit_bytes_;
}

bool BatchQueue::held_enough() const {
  std::lock_guard lock(mutex_);
  return packed_bytes_ >= limit_bytes_;
}

void BatchQueue::go_on() {
  std::lock_guard lock(mutex_);
  extra_bytes_ = std::min(extra_bytes_, packed_bytes_);
}

bool BatchQueue::empty() const {
  std::lock_guard lock(mutex_);
  return batches_.empty();
}

uint64_t BatchQueue::done_bytes() const {
  std::lock_guard lock(mutex_);
  return done_;
}

uint64_t BatchQueue::left_bytes() const {
  std::lock_guard lock(mutex_);
  return waiting_ + in_hand_;
}

bool BatchQueue::is_awaited() const {
  std::lock_guard lock(mutex_);
  return awaited_ > 0;
}

uint64_t BatchQueue::bytes() const {
  std::lock_guard lock(mutex_);
  return waiting_;
}

}  // namespace telinject
