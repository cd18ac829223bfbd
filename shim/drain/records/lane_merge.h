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
#include <optional>
#include <vector>

#include "shim/drain/records/lane_reader.h"
#include "shim/drain/records/message_assembler.h"

namespace telinject::drain {

class LaneStream {
 public:
  // `ticks_ahead`: of the program's clock, as SegmentInfo has it.
  void append(Run run, uint64_t ticks_ahead = 0) {
    runs_.push_back(std::move(run));
    ticks_ahead_ = ticks_ahead;
  }

  // The next record, or null; its place and (monotonic) time. In place of a message in one piece:
  // the kMessage record that it would begin with.
  const uint64_t* peek();
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
  const uint64_t* next_record();

  std::deque<Run> runs_;
  size_t offset_ = 0;
  uint64_t ticks_ = 0;
  uint64_t ticks_ahead_ = 0;                     // given with each run
  std::array<uint64_t, 4> message_record_ = {};  // what peek() shows of a message
};

// Calls that are entered in it.
uint64_t count_entries(const Run& run);

// Feeds visit(i) for the stream that has the earliest record, until all records are later than
// `watermark`. The visitor takes records with next().
template <typename Visit>
void merge_lanes(const std::vector<LaneStream*>& streams, uint64_t watermark, Visit&& visit) {
  for (;;) {
    size_t first = streams.size();
    uint64_t earliest = watermark, second = watermark;
    for (size_t i = 0; i < streams.size(); i++) {
      if (streams[i]->peek() == nullptr || streams[i]->ticks() > watermark) continue;
      uint64_t ticks = streams[i]->ticks();
      if (first == streams.size() || ticks < earliest) {
        if (first != streams.size()) second = earliest;
        earliest = ticks;
        first = i;
      } else if (ticks < second) {
        second = ticks;
      }
    }
    if (first == streams.size()) return;
    visit(first, second);
  }
}

}  // namespace telinject::drain
