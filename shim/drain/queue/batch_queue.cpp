#include "shim/drain/queue/batch_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace telinject::drain {

namespace {

// Batches take memory besides their runs' bytes, which may be on disk. Programs that start many
// short processes make many small ones. Below this they do not matter, whatever the limit is.
constexpr size_t kLeastForLists = 8 << 20;
constexpr size_t kOfANotice = 64;  // texts and lists of a notice, about

}  // namespace

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
           notice.kind == Notice::Kind::kLastWords || notice.kind == Notice::Kind::kDump;
  });
}

bool BatchQueue::spool(Waiting* waiting) {
  packed_.clear();
  std::vector<size_t> run_bytes;
  for (const LaneRun& each : waiting->batch.runs) {
    const RecordBytes& bytes = each.run.bytes;
    std::span<const std::byte> packed = {bytes.data(), bytes.size()};
    if (each.run.unpacked_bytes == 0 && !each.run.message.has_value()) {
      packer_.pack(bytes.data(), bytes.size());
      packed = packer_.packed();
    }
    packed_.insert(packed_.end(), packed.begin(), packed.end());
    run_bytes.push_back(packed.size());
  }
  if (!spool_->write(packed_, &waiting->offset)) return false;
  for (LaneRun& each : waiting->batch.runs) {
    if (!each.run.message.has_value()) each.run.unpacked_bytes = each.run.size();
    each.run.bytes = {};
  }
  waiting->run_bytes = std::move(run_bytes);
  waiting->memory_bytes = 0;
  return waiting->spooled = true;
}

void BatchQueue::push(Batch batch) {
  Waiting waiting;
  waiting.batch = std::move(batch);
  for (const LaneRun& run : waiting.batch.runs) waiting.memory_bytes += run.run.bytes.size();
  bool to_disk = false;
  if (waiting.memory_bytes > 0 && spool_ != nullptr && spool_->has_room()) {
    std::lock_guard lock(mutex_);
    spilling_ = bytes_ + waiting.memory_bytes > limit_bytes_ || must_spill();
    to_disk = spilling_;
  }
  bool failed = to_disk && !spool(&waiting);
  std::lock_guard lock(mutex_);
  if (failed) spilling_ = false;
  waiting.list_bytes = sizeof waiting +
                       waiting.batch.runs.size() * (sizeof(LaneRun) + sizeof(size_t)) +
                       waiting.batch.notices.size() * (sizeof(Notice) + kOfANotice);
  list_bytes_ += waiting.list_bytes;
  bytes_ += waiting.memory_bytes;
  waiting_ += waiting.batch.bytes;
  awaited_ += drain::is_awaited(waiting.batch);
  batches_.push_back(std::move(waiting));
  filled_.notify_one();
}

// If something cannot be read, the end of the records is missing, or the message.
void BatchQueue::fetch(Waiting* waiting) {
  uint64_t offset = waiting->offset;
  for (size_t i = 0; i < waiting->run_bytes.size(); i++) {
    size_t size = waiting->run_bytes[i];
    std::byte* place;
    RecordBytes bytes = memory_.reserve(size, &place);
    size_t there = spool_->read(offset, size, place);
    memset(place + there, 0, size - there);
    Run& run = waiting->batch.runs[i].run;
    run.bytes = there < size && run.message.has_value() ? RecordBytes() : std::move(bytes);
    offset += size;
  }
}

Batch BatchQueue::pop_as_is() {
  Waiting waiting;
  {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return !batches_.empty(); });
    waiting = std::move(batches_.front());
    batches_.pop_front();
    waiting_ -= waiting.batch.bytes;
    list_bytes_ -= waiting.list_bytes;
    bytes_ -= waiting.memory_bytes;
    extra_bytes_ -= std::min(extra_bytes_, waiting.memory_bytes);
    done_ += std::exchange(in_hand_, waiting.batch.bytes);
    awaited_ -= drain::is_awaited(waiting.batch);
  }
  if (waiting.spooled) fetch(&waiting);
  return std::move(waiting.batch);
}

bool BatchQueue::wait_until(std::chrono::steady_clock::time_point time) {
  auto filled = [this] { return !batches_.empty(); };
  std::unique_lock lock(mutex_);
  if (time != std::chrono::steady_clock::time_point::max()) {
    return filled_.wait_until(lock, time, filled);
  }
  filled_.wait(lock, filled);
  return true;
}

Batch BatchQueue::pop() {
  Batch batch = pop_as_is();
  for (LaneRun& run : batch.runs) run.run = unpacked(run.run, &unpacker_, &memory_);
  return batch;
}

bool BatchQueue::full() const {
  std::lock_guard lock(mutex_);
  if (too_many()) return true;
  return (bytes_ >= limit_bytes_ + extra_bytes_ || must_spill()) &&
         (spool_ == nullptr || !spool_->has_room());
}

size_t BatchQueue::memory_bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

void BatchQueue::set_limit(size_t limit_bytes) {
  std::lock_guard lock(mutex_);
  limit_bytes_ = limit_bytes;
}

bool BatchQueue::wants_packed() const {
  std::lock_guard lock(mutex_);
  return bytes_ >= limit_bytes_ / 2;
}

bool BatchQueue::too_many() const {
  return list_bytes_ >= std::max(limit_bytes_ + extra_bytes_, kLeastForLists);
}

bool BatchQueue::must_spill() const {
  return spilling_ && bytes_ > limit_bytes_ / 2;
}

void BatchQueue::hold() {
  std::lock_guard lock(mutex_);
  extra_bytes_ = limit_bytes_;
}

bool BatchQueue::held_enough() const {
  std::lock_guard lock(mutex_);
  return bytes_ >= limit_bytes_ || too_many();
}

void BatchQueue::go_on() {
  std::lock_guard lock(mutex_);
  extra_bytes_ = std::min(extra_bytes_, bytes_);
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

}  // namespace telinject::drain
