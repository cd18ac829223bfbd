// Records of several lanes in the order of their times.
//
// Within a lane the order of records is the order of events (a record's time may be earlier than
// its predecessor's by a signal handler's run; times are held monotonic). Between lanes time
// decides, as far as the collector's watermark: of what is later, some may not have been collected
// yet.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "shim/channel/record.h"
#include "shim/drain/records/lane_reader.h"
#include "shim/drain/records/message_assembler.h"

namespace telinject::drain {

class LaneStream {
 public:
  LaneStream() = default;
  // Moving leaves what the other had before.
  LaneStream(LaneStream&& other) noexcept { *this = std::move(other); }
  LaneStream& operator=(LaneStream&& other) noexcept {
    runs_.swap(other.runs_);
    std::swap(offset_, other.offset_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(ticks_, other.ticks_);
    std::swap(ticks_ahead_, other.ticks_ahead_);
    std::swap(message_record_, other.message_record_);
    return *this;
  }

  // `ticks_ahead`: of the program's clock, as SegmentInfo has it.
  void append(Run run, uint64_t ticks_ahead = 0) {
    runs_.push_back(std::move(run));
    ticks_ahead_ = ticks_ahead;
  }

  // The next record, or null; its place and (monotonic) time. In place of a message in one piece:
  // the kMessage record that it would begin with.
  const uint64_t* peek() {
    if (offset_ + kUnitBytes <= size_) {
      const auto* record = reinterpret_cast<const uint64_t*>(data_ + offset_);
      bool any = *record != kVoid && !is_second_unit(*record);
      if (any && offset_ + record_bytes(*record) <= size_) return seen(record);
    }
    return find();
  }
  // Nothing was given, or all of it has been taken, which peek() finds out.
  bool empty() const { return runs_.empty(); }
  // The message, if that is next.
  std::optional<AssembledMessage> message() const;
  uint64_t position() const { return runs_.front().position + offset_; }
  uint64_t ticks() const { return ticks_; }
  void next();

  // Takes out what is left.
  std::vector<Run> rest();
  // Without that.
  template <typename Archive>
  void io(Archive& a) {
    a(ticks_);
  }

 private:
  const uint64_t* find();
  const uint64_t* next_record();
  const uint64_t* seen(const uint64_t* record) {
    uint64_t ticks = (*record - ticks_ahead_) & kTicksMask;
    if (ticks > ticks_) ticks_ = ticks;
    return record;
  }

  std::deque<Run> runs_;
  size_t offset_ = 0;
  // The first run's records, once it has been looked at; null if it is a message.
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  uint64_t ticks_ = 0;
  uint64_t ticks_ahead_ = 0;                     // given with each run
  std::array<uint64_t, 4> message_record_ = {};  // what peek() shows of a message
};

// Calls that are entered in it.
uint64_t count_entries(const Run& run);

// Feeds visit(i) for the stream that has the earliest record, until all records are later than
// `watermark`; of two with the same time for the first one. The visitor takes records of that
// stream with next(), up to the time of the next stream's, which it is given.
template <typename Visit>
void merge_lanes(const std::vector<LaneStream*>& streams, uint64_t watermark, Visit&& visit) {
  using Next = std::pair<uint64_t, size_t>;  // time, stream
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  auto add = [&](size_t i) {
    if (streams[i]->peek() != nullptr && streams[i]->ticks() <= watermark) {
      next.emplace(streams[i]->ticks(), i);
    }
  };
  for (size_t i = 0; i < streams.size(); i++) add(i);
  while (!next.empty()) {
    size_t first = next.top().second;
    next.pop();
    visit(first, next.empty() ? watermark : next.top().first);
    add(first);
  }
}

}  // namespace telinject::drain
