#include "shim/drain/batch_queue.h"

#include <algorithm>
#include <utility>

namespace telinject {

bool is_awaited(const Batch& batch) {
  return std::any_of(batch.notices.begin(), batch.notices.end(), [](const Notice& notice) {
    return notice.kind == Notice::Kind::kProgramEnded || notice.kind == Notice::Kind::kFlush ||
           notice.kind == Notice::Kind::kLastWords;
  });
}

bool BatchQueue::spool(Waiting* waiting) {
  std::vector<iovec> pieces;
  for (const LaneRun& run : waiting->batch.runs) {
    const RecordBytes& bytes = run.run.bytes;
    pieces.push_back({const_cast<std::byte*>(bytes.data()), bytes.size()});
    waiting->run_bytes.push_back(bytes.size());
  }
  if (!spool_->write(std::move(pieces), &waiting->offset)) return false;
  for (LaneRun& run : waiting->batch.runs) run.run.bytes = {};
  return waiting->spooled = true;
}

void BatchQueue::push(Batch batch) {
  Waiting waiting;
  waiting.batch = std::move(batch);
  bool to_disk = false;
  if (waiting.batch.bytes > 0 && spool_ != nullptr && spool_->has_room()) {
    std::lock_guard lock(mutex_);
    spilling_ = bytes_ + waiting.batch.bytes > limit_bytes_ || must_spill();
    to_disk = spilling_;
  }
  bool failed = to_disk && !spool(&waiting);
  std::lock_guard lock(mutex_);
  if (failed) spilling_ = false;
  (waiting.spooled ? spooled_ : bytes_) += waiting.batch.bytes;
  awaited_ += telinject::is_awaited(waiting.batch);
  batches_.push_back(std::move(waiting));
  filled_.notify_one();
}

Batch BatchQueue::pop() {
  Waiting waiting;
  {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return !batches_.empty(); });
    waiting = std::move(batches_.front());
    batches_.pop_front();
    (waiting.spooled ? spooled_ : bytes_) -= waiting.batch.bytes;
    if (!waiting.spooled) extra_bytes_ -= std::min(extra_bytes_, waiting.batch.bytes);
    done_ += std::exchange(in_hand_, waiting.batch.bytes);
    awaited_ -= telinject::is_awaited(waiting.batch);
  }
  Batch& batch = waiting.batch;
  if (waiting.spooled) {
    uint64_t offset = waiting.offset;
    for (size_t i = 0; i < batch.runs.size(); i++) {
      batch.runs[i].run.bytes = spool_->read(offset, waiting.run_bytes[i], &memory_);
      offset += waiting.run_bytes[i];
    }
  }
  return std::move(batch);
}

bool BatchQueue::full() const {
  std::lock_guard lock(mutex_);
  return (bytes_ >= limit_bytes_ + extra_bytes_ || must_spill()) &&
         (spool_ == nullptr || !spool_->has_room());
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
  return bytes_ >= limit_bytes_;
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
  return bytes_ + spooled_ + in_hand_;
}

bool BatchQueue::is_awaited() const {
  std::lock_guard lock(mutex_);
  return awaited_ > 0;
}

uint64_t BatchQueue::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_ + spooled_;
}

}  // namespace telinject
