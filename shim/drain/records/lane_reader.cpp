#include "shim/drain/records/lane_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "shim/channel/record.h"

namespace telinject::drain {

namespace {

// How far ahead written records can lie behind a hole in a chunk that is still open: half-written
// records are what a few nested hooks had reserved.
constexpr uint64_t kNear = 4096;

// So many chunks behind a hole: the hook that left it will not come back. A hook that was
// interrupted is one whose handler made 60,000 calls.
constexpr uint64_t kStuckChunks = 64;

}  // namespace

LaneReader::LaneReader(SegmentView* segment, uint32_t lane, ChunkPool* pool, RecordMemory* memory)
    : segment_(segment), lane_(lane), pool_(pool), memory_(memory), header_(segment->lane(lane)) {}

// The owner has its first chunk a little later than its lane.
bool LaneReader::begin() {
  if (begun_ || broken_) return begun_;
  uint32_t first = header_->first_chunk.load(std::memory_order_acquire);
  if (first == 0) return false;
  number_ = header_->start.load(std::memory_order_relaxed);
  if (!is_chunk_of_ours(first - 1, number_)) {
    give_up();
    return false;
  }
  chunk_ = first - 1;
  base_ = segment_->chunk(chunk_);
  pool_->note_used(chunk_);
  begun_ = true;
  return true;
}

bool LaneReader::is_chunk_of_ours(uint32_t chunk, uint64_t number) const {
  if (chunk >= segment_->chunk_count()) return false;
  const ChunkEntry* entry = segment_->entry(chunk);
  return entry->lane.load(std::memory_order_relaxed) == lane_ &&
         entry->number.load(std::memory_order_relaxed) == number;
}

void LaneReader::give_up() {
  broken_ = true;
  begun_ = false;
  lost_records_++;
}

// No more than there are chunks ahead of the reader, whatever the program says.
uint64_t LaneReader::open_number() const {
  uint64_t open = header_->open.load(std::memory_order_acquire);
  return open - number_ <= segment_->chunk_count() ? open : number_;
}

uint64_t LaneReader::unread_chunks() const {
  return begun_ ? open_number() - number_ : 0;
}

uint64_t LaneReader::first_word(uint64_t offset) const {
  return reinterpret_cast<const std::atomic<uint64_t>*>(base_ + offset)
      ->load(std::memory_order_acquire);
}

// Where the records of a complete chunk end.
uint64_t LaneReader::end_of_chunk() const {
  uint64_t end = segment_->entry(chunk_)->end.load(std::memory_order_relaxed);
  return std::clamp<uint64_t>(end & ~(kUnitBytes - 1), offset_, kChunkBytes);
}

// False if there are messages: they are passed on as they are.
bool LaneReader::pack(RecordPacker* packer, Run* run, uint64_t* at) {
  RecordPacker::Written written = packer->pack_written(base_ + offset_, end_ - offset_);
  if (written.message) return false;
  *at = offset_ + written.size;
  run->unpacked_bytes = written.size;
  if (written.size > 0) {
    run->bytes = memory_->copy(packer->packed().data(), packer->packed().size());
  }
  return true;
}

void LaneReader::copy(Run* run, uint64_t* at) {
  while (*at + kUnitBytes <= end_) {
    uint64_t first = first_word(*at);
    if (first == 0) break;
    size_t bytes = record_bytes(first);
    if (*at + bytes > end_) break;
    if (const auto* record = reinterpret_cast<const uint64_t*>(base_ + *at);
        bytes == kControlBytes && is_control(record[1])) {
      ControlKind kind = control_kind(record[1]);
      run->messages =
          run->messages || kind == ControlKind::kMessage || kind == ControlKind::kMessageData;
    }
    *at += bytes;
  }
  if (*at > offset_) run->bytes = memory_->copy(base_ + offset_, *at - offset_);
}

void LaneReader::take_run(RecordPacker* packer, std::vector<Run>* out) {
  uint64_t at = offset_;
  Run run = {lane_position(number_, offset_), {}, false};
  if (packer == nullptr || !pack(packer, &run, &at)) copy(&run, &at);
  if (at > offset_) out->push_back(std::move(run));
  offset_ = at;
}

void LaneReader::release_held() {
  if (std::exchange(held_, false)) pool_->release(held_chunk_, held_end_);
}

void LaneReader::enter_next_chunk() {
  uint32_t next = segment_->entry(chunk_)->next.load(std::memory_order_relaxed);
  if (!is_chunk_of_ours(next, number_ + 1) || next == chunk_) return give_up();
  release_held();
  if (std::exchange(skipped_, false)) {
    kept_.push_back(chunk_);
  } else {
    held_ = true;
    held_chunk_ = chunk_;
    held_end_ = end_;
  }
  chunk_ = next;
  base_ = segment_->chunk(chunk_);
  pool_->note_used(chunk_);
  number_++;
  offset_ = 0;
  if (segment_->writable()) header_->taken.store(number_, std::memory_order_relaxed);
}

size_t LaneReader::read(std::vector<Run>* out, RecordPacker* packer, Take take) {
  if (!begin()) return 0;
  size_t first = out->size(), bytes = 0;
  for (size_t chunks = 0; chunks < kMostChunks && begun_; chunks++) {
    bool complete = open_number() > number_;
    if (!complete && take == Take::kComplete) break;
    end_ = complete ? end_of_chunk() : kChunkBytes;
    take_run(packer, out);
    if (!complete || offset_ < end_) break;
    enter_next_chunk();
  }
  for (size_t i = first; i < out->size(); i++) bytes += (*out)[i].size();
  return bytes;
}

// To the next record that is written within `reach`. False if there is none.
bool LaneReader::go_on_behind_hole(uint64_t reach) {
  uint64_t found;
  if (!find_written(offset_, offset_ + reach, &found)) return false;
  lost_records_++;
  // What starts here and could not be read runs on behind the chunk's end.
  offset_ = found > offset_ ? found : offset_ + kUnitBytes;
  return true;
}

size_t LaneReader::read_rest(std::vector<Run>* out, RecordPacker* packer) {
  size_t bytes = 0;
  // The program writes no more, or should not: a lane has no more chunks than there are.
  for (uint64_t chunks = 0; begin() && chunks <= segment_->chunk_count();) {
    uint64_t before = number_;
    bytes += read(out, packer, Take::kAll);
    chunks += number_ - before;
    if (!begun_) break;
    if (number_ != before) continue;
    bool complete = open_number() > number_;
    if (go_on_behind_hole(complete ? kChunkBytes : kNear)) continue;
    if (!complete) break;
    // The rest of a complete chunk was reserved and never written.
    lost_records_++;
    offset_ = end_ = end_of_chunk();
    enter_next_chunk();
    chunks++;
  }
  if (!segment_->writable()) return bytes;
  release_held();
  if (begun_) pool_->release(chunk_, kChunkBytes);
  for (uint32_t chunk : kept_) pool_->release(chunk, kChunkBytes);
  // One that its thread was just taking when it ended.
  uint32_t taking = header_->taking.exchange(0, std::memory_order_relaxed);
  if (taking != 0 && taking - 1 != chunk_ && is_chunk_of_ours(taking - 1, number_ + 1)) {
    pool_->release(taking - 1, kChunkBytes);
  }
  header_->first_chunk.store(0, std::memory_order_relaxed);
  uint64_t next = begun_ ? number_ + 1 : header_->start.load(std::memory_order_relaxed) + 1;
  header_->taken.store(next, std::memory_order_relaxed);
  header_->start.store(next, std::memory_order_relaxed);
  header_->owner.word.store(0, std::memory_order_release);
  return bytes;
}

bool LaneReader::owner_has_ended() const {
  return (header_->owner.word.load(std::memory_order_acquire) & kOwnerDied) != 0;
}

// The time of the first record that was not read. Within a lane times only grow, as the drain takes
// them. A hole says nothing, nor do fillers: what lies behind them counts, as far as it is near.
uint64_t LaneReader::read_until(uint64_t now) const {
  if (!begun_) return now;
  uint64_t end = std::min<uint64_t>(offset_ + kNear, kChunkBytes);
  for (uint64_t at = offset_; at + kUnitBytes <= end;) {
    uint64_t first = first_word(at);
    if (first == 0) return now;
    if (!is_second_unit(first) && (first & kTicksMask) != 0) {
      return std::min(now, first & kTicksMask);
    }
    at += record_bytes(first);
  }
  return now;
}

// The next unit that starts a written record, or ends one whose start is missing.
bool LaneReader::find_written(uint64_t from, uint64_t to, uint64_t* found) const {
  for (uint64_t at = from; at + kUnitBytes <= std::min<uint64_t>(to, kChunkBytes);
       at += kUnitBytes) {
    if (first_word(at) != 0) {
      *found = at;
      return true;
    }
  }
  return false;
}

bool LaneReader::is_stuck() const {
  uint64_t behind = unread_chunks();
  return (behind >= kStuckChunks || (behind > 0 && pool_->is_used_up())) &&
         offset_ < end_of_chunk() && first_word(offset_) == 0;
}

void LaneReader::skip_hole() {
  skipped_ = true;
  if (!go_on_behind_hole(kChunkBytes)) {
    lost_records_++;
    offset_ = end_of_chunk();
  }
}

}  // namespace telinject::drain
