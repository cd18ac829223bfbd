#include "shim/drain/lane_reader.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "shim/channel/record.h"

namespace telinject {

namespace {

// What is left in place behind the reader: the program walks back over it to find its current span.
constexpr uint64_t kHistoryBytes = 32 * 1024;  // or an eighth of a small ring

// How far ahead written records can lie behind a hole: half-written records are what a few nested
// hooks had reserved.
constexpr uint64_t kNear = 4096;

}  // namespace

LaneReader::LaneReader(SegmentView* segment, uint32_t lane, RecordMemory* memory)
    : memory_(memory),
      header_(segment->lane(lane)),
      ring_(segment->ring(lane)),
      ring_bytes_(segment->ring_bytes()),
      end_(ring_bytes_ + kSpillBytes),
      history_bytes_(std::min(kHistoryBytes, ring_bytes_ / 8)) {
  uint64_t start = header_->start.load(std::memory_order_acquire);
  lap_ = released_lap_ = position_lap(start);
  offset_ = released_offset_ = std::min(position_offset(start), ring_bytes_) & ~(kUnitBytes - 1);
}

const uint64_t* LaneReader::words(uint64_t offset) const {
  return reinterpret_cast<const uint64_t*>(ring_ + offset);
}

uint64_t LaneReader::first_word(uint64_t offset) const {
  return reinterpret_cast<const std::atomic<uint64_t>*>(ring_ + offset)
      ->load(std::memory_order_acquire);
}

// Where the reader's lap ends: at what lies there from the lap before and is not given back yet.
uint64_t LaneReader::limit() const {
  return released_lap_ < lap_ ? released_offset_ : end_;
}

// False if there are messages, which whoever takes them from here wants as they are.
bool LaneReader::pack_lap(RecordPacker* packer, Run* run, uint64_t* at, bool* wrapped) {
  uint64_t end = limit();
  if (end <= offset_) return false;
  RecordPacker::Written written = packer->pack_written(ring_ + offset_, end - offset_);
  if (written.message) return false;
  *wrapped = written.wraps;
  *at = offset_ + written.size;
  run->unpacked_bytes = written.size;
  if (written.size > 0) {
    run->bytes = memory_->copy(packer->packed().data(), packer->packed().size());
  }
  return true;
}

void LaneReader::copy_lap(Run* run, uint64_t* at, bool* wrapped) {
  uint64_t end = limit();
  while (*at + kUnitBytes <= end) {
    uint64_t first = first_word(*at);
    if (first == 0) break;
    size_t bytes = record_bytes(first);
    if (*at + bytes > end) break;
    if (const uint64_t* record = words(*at); bytes == kControlBytes && is_control(record[1])) {
      ControlKind kind = control_kind(record[1]);
      *wrapped = kind == ControlKind::kWrap;
      if (*wrapped) break;
      run->messages =
          run->messages || kind == ControlKind::kMessage || kind == ControlKind::kMessageData;
    }
    *at += bytes;
  }
  if (*at > offset_) run->bytes = memory_->copy(ring_ + offset_, *at - offset_);
}

// Takes what lies in the current lap; true if it ended with a Wrap record.
bool LaneReader::read_lap(RecordPacker* packer, std::vector<Run>* out) {
  uint64_t at = offset_;
  bool wrapped = false;
  Run run = {lane_position(lap_, offset_), {}, false};
  bool packed = packer != nullptr && pack_lap(packer, &run, &at, &wrapped);
  if (!packed) copy_lap(&run, &at, &wrapped);
  if (at > offset_) out->push_back(std::move(run));
  offset_ = at;
  if (wrapped) {
    // What is not given back lies in this lap or the one before, never further behind: what was
    // read once is zero before the reader comes there again.
    if (released_lap_ < lap_) release_to(lap_, 0);
    previous_end_ = at + kControlBytes;
    lap_++;
    offset_ = 0;
  }
  return wrapped;
}

size_t LaneReader::read(std::vector<Run>* out, RecordPacker* packer) {
  size_t first = out->size(), bytes = 0;
  if (read_lap(packer, out)) read_lap(packer, out);
  for (size_t i = first; i < out->size(); i++) bytes += (*out)[i].size();
  if (offset_ >= history_bytes_) {
    release_to(lap_, offset_ - history_bytes_);
  } else if (lap_ > released_lap_) {
    uint64_t tail = history_bytes_ - offset_;
    if (previous_end_ > tail) release_to(lap_ - 1, previous_end_ - tail);
  }
  return bytes;
}

size_t LaneReader::read_rest(std::vector<Run>* out) {
  size_t bytes = read(out);
  uint64_t found;
  // Nobody writes any more, or should not.
  while (bytes < 4 * end_ && find_written(offset_, offset_ + kNear, &found)) {
    lost_records_++;
    offset_ = found;
    size_t more = read(out);
    if (more == 0) break;
    bytes += more;
  }
  zero(offset_, std::min(offset_ + kNear, end_));
  if (offset_ >= ring_bytes_) {
    // In the spill: the next owner starts a lap.
    previous_end_ = end_;
    lap_++;
    offset_ = 0;
  }
  release_to(lap_, offset_);
  header_->start.store(lane_position(lap_, offset_), std::memory_order_relaxed);
  header_->owner.word.store(0, std::memory_order_release);
  return bytes;
}

bool LaneReader::owner_has_ended() const {
  return (header_->owner.word.load(std::memory_order_acquire) & kOwnerDied) != 0;
}

// The next unit that starts a written record, or ends one whose start is missing.
bool LaneReader::find_written(uint64_t from, uint64_t to, uint64_t* found) const {
  to = std::min(to, limit());
  for (uint64_t at = from; at + kUnitBytes <= to; at += kUnitBytes) {
    if (first_word(at) != 0) {
      *found = at;
      return true;
    }
  }
  return false;
}

bool LaneReader::is_stuck() const {
  uint64_t found;
  if (offset_ + kUnitBytes > end_ || first_word(offset_) != 0 ||
      !find_written(offset_, offset_ + kNear, &found)) {
    return false;
  }
  // Full if nothing is free up to where the drain gave space back last.
  uint64_t full = std::min(limit(), ring_bytes_);
  uint64_t last = full > kNear ? full - kNear : 0;
  return last <= offset_ || find_written(last, full, &found);
}

void LaneReader::skip_hole() {
  lost_records_++;
  offset_ += kUnitBytes;
}

void LaneReader::zero(uint64_t from, uint64_t to) {
  if (to > from) std::memset(ring_ + from, 0, to - from);
}

void LaneReader::release_to(uint64_t lap, uint64_t offset) {
  if (lap == released_lap_ && offset <= released_offset_) return;
  if (lap < released_lap_) return;
  if (lap > released_lap_) {
    zero(released_offset_, previous_end_);
    released_offset_ = 0;
    released_lap_ = lap;
  }
  zero(released_offset_, offset);
  released_offset_ = std::max(released_offset_, offset);
  header_->released.store(lane_position(released_lap_, released_offset_),
                          std::memory_order_release);
  if (header_->waiting.load(std::memory_order_seq_cst) != 0) {
    header_->waiting.store(0, std::memory_order_relaxed);
    header_->released_futex.fetch_add(1, std::memory_order_seq_cst);
    syscall(SYS_futex, &header_->released_futex, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
}

}  // namespace telinject
