#include "shim/drain/records/lane_merge.h"

#include "shim/channel/record.h"

namespace telinject::drain {

const uint64_t* LaneStream::peek() {
  while (!runs_.empty()) {
    const Run& run = runs_.front();
    if (offset_ + kUnitBytes > run.bytes.size()) {
      runs_.pop_front();
      offset_ = 0;
      continue;
    }
    const auto* record = reinterpret_cast<const uint64_t*>(run.bytes.data() + offset_);
    // Filled holes, and halves whose other half was never written.
    if (*record == kVoid || is_second_unit(*record)) {
      offset_ += kUnitBytes;
      continue;
    }
    if (offset_ + record_bytes(*record) > run.bytes.size()) {
      runs_.pop_front();
      offset_ = 0;
      continue;
    }
    uint64_t ticks = (*record - ticks_ahead_) & kTicksMask;
    if (ticks > ticks_) ticks_ = ticks;
    return record;
  }
  return nullptr;
}

std::vector<Run> LaneStream::rest() {
  std::vector<Run> rest;
  for (; !runs_.empty(); runs_.pop_front(), offset_ = 0) {
    Run& run = runs_.front();
    if (offset_ < run.bytes.size()) {
      size_t left = run.bytes.size() - offset_;
      rest.push_back({run.position + offset_, run.bytes.part(offset_, left), run.messages});
    }
  }
  return rest;
}

uint64_t count_entries(const Run& run) {
  uint64_t entries = 0;
  LaneStream stream;
  stream.append(run);
  while (const uint64_t* record = stream.peek()) {
    if (!is_exit(record[0]) && !is_control(record[1])) entries++;
    stream.next();
  }
  return entries;
}

void LaneStream::next() {
  const auto* record = reinterpret_cast<const uint64_t*>(runs_.front().bytes.data() + offset_);
  offset_ += record_bytes(*record);
}

}  // namespace telinject::drain
