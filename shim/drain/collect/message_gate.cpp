#include "shim/drain/collect/message_gate.h"

#include <algorithm>
#include <string>

#include "shim/channel/record.h"

namespace telinject::drain {

MessageRedactor* MessageGate::redactor_of(MessageType type) const {
  for (const auto& redactor : redactors_) {
    if (redactor->takes(type)) return redactor.get();
  }
  return nullptr;
}

void MessageGate::go_on(Lane* lane) {
  lane->waiting.reset();
  stopped_--;
}

// In its lane's order: what came before it has gone on already. What is too long is left out.
void MessageGate::place(LaneMessage message) {
  LaneKey key = {message.segment, message.lane};
  auto found = lanes_.find(key);
  bool waits = found != lanes_.end() && found->second.waiting.has_value() &&
               found->second.waiting->position == message.position;
  if (waits) {
    go_on(&found->second);
    ready_.push_back(key);
  }
  if (message.bytes.empty() || message.bytes.size() > kMaxAssembledBytes) return;
  const auto* bytes = reinterpret_cast<const std::byte*>(message.bytes.data());
  Run run = {message.position, memory_->copy(bytes, message.bytes.size()), true};
  run.message = {message.type, message.ticks};
  out_.push_back({message.segment, message.lane, std::move(run)});
}

void MessageGate::place_all() {
  for (LaneMessage& each : redacted_) place(std::move(each));
  redacted_.clear();
}

void MessageGate::whole(Lane* lane, const LaneRun& run, AssembledMessage message) {
  if (lane->redactor == nullptr) return;
  uint64_t position = message.position;
  bool done = lane->redactor->take(
      {run.segment, run.lane, position, lane->ticks, message.type, std::move(message.bytes)},
      &redacted_);
  if (!done) {
    lane->waiting = {position, lane->ticks};
    lane->waits_since_ns = now_ns_;
    stopped_++;
  }
  place_all();
}

// A message begins. True if it is an operation's or has a redactor: no piece of it goes on as it
// is.
bool MessageGate::begin(Lane* lane, const uint64_t* record, uint64_t position) {
  auto type = static_cast<MessageType>(control_a(record[1]));
  uint64_t size = control_b(record[2]);
  lane->redactor = redactor_of(type);
  lane->open = lane->redactor != nullptr || is_operation(type);
  lane->pieces_left = size > kMaxAssembledBytes ? 0 : message_records(size) - 1;
  lane->messages.begin(control_a(record[1]), lane->open ? size : 0, position);
  lane->ticks = *record & kTicksMask;
  return lane->open;
}

// Until the lane has to stop: then the rest of the run is kept.
void MessageGate::walk(Lane* lane, const LaneRun& run) {
  const RecordBytes& bytes = run.run.bytes;
  auto part = [&](size_t from, size_t to) -> LaneRun {
    return {run.segment, run.lane, {run.run.position + from, bytes.part(from, to - from), true}};
  };
  size_t start = 0, at = 0;
  while (at + kUnitBytes <= bytes.size() && !lane->waiting.has_value()) {
    const auto* record = reinterpret_cast<const uint64_t*>(bytes.data() + at);
    size_t size = is_second_unit(*record) ? kUnitBytes : record_bytes(*record);
    if (at + size > bytes.size()) break;
    size_t next = at + size;
    if (size == kControlBytes && is_control(record[1])) {
      ControlKind kind = control_kind(record[1]);
      bool piece = kind == ControlKind::kMessageData;
      bool stray = piece && lane->pieces_left == 0;
      if (piece && !stray) lane->pieces_left--;
      bool ours = kind == ControlKind::kMessage ? begin(lane, record, run.run.position + at)
                                                : piece && (stray || lane->open);
      if (ours) {
        if (at > start) out_.push_back(part(start, at));
        start = next;
        if (auto message = piece ? lane->messages.add(record) : std::nullopt) {
          whole(lane, run, std::move(*message));
        }
      }
    }
    at = next;
  }
  if (start >= bytes.size()) return;
  LaneRun rest = part(start, bytes.size());
  if (!lane->waiting.has_value()) {
    out_.push_back(std::move(rest));
  } else {
    lane->kept_bytes += rest.run.size();
    lane->kept.push_front(std::move(rest));
  }
}

// A run that was read. Where its lane has stopped it waits, too.
void MessageGate::feed(LaneRun run) {
  auto found = lanes_.find({run.segment, run.lane});
  if (found == lanes_.end() && run.run.messages) {
    found = lanes_.emplace(LaneKey{run.segment, run.lane}, Lane()).first;
  }
  Lane* lane = found == lanes_.end() ? nullptr : &found->second;
  if (lane != nullptr && lane->waiting.has_value()) {
    lane->kept_bytes += run.run.size();
    lane->kept.push_back(std::move(run));
  } else if (run.run.messages) {
    walk(lane, run);
  } else {
    out_.push_back(std::move(run));
  }
}

// Lanes whose message has come, and those that go on because of what follows in them.
void MessageGate::resume() {
  while (!ready_.empty()) {
    Lane* lane = &lanes_[ready_.back()];
    ready_.pop_back();
    while (!lane->kept.empty() && !lane->waiting.has_value()) {
      LaneRun run = std::move(lane->kept.front());
      lane->kept.pop_front();
      lane->kept_bytes -= run.run.size();
      if (run.run.messages) {
        walk(lane, run);
      } else {
        out_.push_back(std::move(run));
      }
    }
  }
}

void MessageGate::give_up(const LaneKey& key) {
  auto found = lanes_.find(key);
  while (found != lanes_.end() && found->second.waiting.has_value()) {
    for (const auto& redactor : redactors_) redactor->give_up(key.first, key.second, &redacted_);
    place_all();
    // Should the redactor not tell it, the lane goes on without it.
    if (found->second.waiting.has_value()) {
      go_on(&found->second);
      ready_.push_back(key);
    }
    resume();
  }
}

// Lanes that were kept back long enough; all of them if a flush waits for what was recorded.
void MessageGate::give_up_late(const Batch& batch) {
  if (stopped_ == 0) return;
  bool awaited = is_awaited(batch);
  std::vector<LaneKey> late;
  for (const auto& [key, lane] : lanes_) {
    if (!lane.waiting.has_value()) continue;
    uint64_t waited_ns = now_ns_ - lane.waits_since_ns;
    bool all_read = batch.watermark > lane.waiting->ticks;
    bool long_enough =
        waited_ns > (all_read ? kMostNs : kMostNsAnyway) || lane.kept_bytes > kMostBytes;
    if (awaited || long_enough) late.push_back(key);
  }
  for (const LaneKey& key : late) give_up(key);
}

void MessageGate::end_lanes(const Batch& batch) {
  for (const Notice& notice : batch.notices) {
    if (notice.kind == Notice::Kind::kLaneEnded) {
      give_up({notice.segment, notice.lane});
      lanes_.erase({notice.segment, notice.lane});
    }
    if (notice.kind == Notice::Kind::kSegmentClosed) {
      for (const auto& redactor : redactors_) redactor->forget(notice.segment);
      lanes_.erase(lanes_.lower_bound({notice.segment, 0}),
                   lanes_.lower_bound({notice.segment + 1, 0}));
    }
  }
}

// The batch vouches for no time that a lane which has stopped has not come to.
void MessageGate::finish(Batch* batch) {
  batch->runs = std::move(out_);
  out_.clear();
  batch->bytes = 0;
  for (const LaneRun& run : batch->runs) batch->bytes += run.run.size();
  if (stopped_ == 0) return;
  for (const auto& [key, lane] : lanes_) {
    if (lane.waiting.has_value()) {
      batch->watermark = std::min(batch->watermark, lane.waiting->ticks);
    }
  }
}

void MessageGate::pass(Batch* batch, uint64_t now_ns) {
  now_ns_ = now_ns;
  bool any = stopped_ > 0 || std::any_of(batch->runs.begin(), batch->runs.end(),
                                         [](const LaneRun& run) { return run.run.messages; });
  if (!any) return end_lanes(*batch);
  out_.reserve(batch->runs.size());
  for (LaneRun& run : batch->runs) {
    feed(std::move(run));
    resume();
  }
  give_up_late(*batch);
  end_lanes(*batch);
  finish(batch);
}

}  // namespace telinject::drain
