#include "shim/drain/records/lane_merge.h"

#include "shim/channel/record.h"

namespace telinject::drain {

// Without holes that were filled, and halves whose other half was never written. Null: the first
// run has no more.
const uint64_t* LaneStream::next_record() {
  const Run& run = runs_.front();
  if (run.message.has_value()) {
    message_record_ = {
        run.message->ticks & kTicksMask,
        control_word(ControlKind::kMessage, static_cast<uint64_t>(run.message->type)),
        run.bytes.size() | kSecondUnit, 0};
    return message_record_.data();
  }
  while (offset_ + kUnitBytes <= run.bytes.size()) {
    const auto* record = reinterpret_cast<const uint64_t*>(run.bytes.data() + offset_);
    if (*record == kVoid || is_second_unit(*record)) {
      offset_ += kUnitBytes;
    } else {
      return offset_ + record_bytes(*record) > run.bytes.size() ? nullptr : record;
    }
  }
  return nullptr;
}

const uint64_t* LaneStream::find() {
  for (; !runs_.empty(); runs_.pop_front(), offset_ = 0) {
    const Run& run = runs_.front();
    bool records = !run.message.has_value();
    data_ = records ? reinterpret_cast<const uint8_t*>(run.bytes.data()) : nullptr;
    size_ = records ? run.bytes.size() : 0;
    if (const uint64_t* record = next_record()) return seen(record);
  }
  data_ = nullptr;
  size_ = 0;
  return nullptr;
}

std::optional<AssembledMessage> LaneStream::message() const {
  if (runs_.empty() || !runs_.front().message.has_value()) return std::nullopt;
  const Run& run = runs_.front();
  const auto* bytes = reinterpret_cast<const char*>(run.bytes.data());
  return AssembledMessage{run.message->type, std::string(bytes, run.bytes.size()), run.position};
}

std::vector<Run> LaneStream::rest() {
  std::vector<Run> rest;
  data_ = nullptr;
  size_ = 0;
  for (; !runs_.empty(); runs_.pop_front(), offset_ = 0) {
    Run& run = runs_.front();
    if (run.message.has_value()) {
      rest.push_back(std::move(run));
    } else if (offset_ < run.bytes.size()) {
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
  if (data_ == nullptr) {
    runs_.pop_front();
    return;
  }
  offset_ += record_bytes(*reinterpret_cast<const uint64_t*>(data_ + offset_));
}

}  // namespace telinject::drain
