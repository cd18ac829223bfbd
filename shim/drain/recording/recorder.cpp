#include "shim/drain/recording/recorder.h"

#include <string.h>
#include <time.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "shim/channel/clock.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/records/shadow_lane.h"

namespace telinject::drain {

Recorder::Recorder(BatchQueue* queue, ClockKind clock, std::unique_ptr<RecordingWriter> writer,
                   const std::string& facts, ClockAnchor first, Hooks hooks)
    : queue_(queue), clock_(clock), writer_(std::move(writer)), hooks_(std::move(hooks)) {
  writer_->facts(facts);
  // Even if the file breaks off soon there are two.
  writer_->anchor(first);
  writer_->anchor(ClockMap::take_anchor(clock));
  next_anchor_ns_ = monotonic_ns() + uint64_t{kCalibrationNs};
}

// The third anchor follows as soon as the rate can be told well, the others once a second; and
// there is one at the end.
void Recorder::keep_time() {
  uint64_t now = monotonic_ns();
  if (now < next_anchor_ns_) return;
  writer_->anchor(ClockMap::take_anchor(clock_));
  next_anchor_ns_ = now + kSecond;
}

bool Recorder::go_on_from(const std::string& state) {
  return writer_->state(state);
}

void Recorder::know(SegmentId segment, std::shared_ptr<const SegmentInfo> info, int os_pid) {
  segments_[segment] = {std::move(info), os_pid, {}, {}};
}

void Recorder::know(SegmentId segment, uint32_t lane) {
  lanes_[{segment, lane}].known = true;
}

void Recorder::record(const Batch& batch) {
  write(batch);
  any_records_ = any_records_ || !batch.runs.empty();
  add_facts(/*last=*/false);
  take(batch);
  hooks_.progress->fetch_add(1, std::memory_order_relaxed);
}

void Recorder::run() {
  while (!over_) {
    keep_time();
    Batch batch = queue_->pop_as_is();
    giving_way_.took(batch.bytes);
    record(batch);
  }
  add_facts(/*last=*/true);
  writer_->anchor(ClockMap::take_anchor(clock_));
  // Not of one that could not even say what it lacks.
  if (rest_.notices.empty()) writer_->end();
}

// Records that are missing would tear calls apart; so it is all up to some moment, or none. What
// has happened besides, how threads and processes ended and what they lost, is kept for the end.
void Recorder::write(const Batch& batch) {
  constexpr timespec kPause = {0, 20000000};
  constexpr size_t kMaxKept = 4096;
  while (!broken_ && !writer_->batch(batch)) {
    int error = errno;
    broken_ = is_awaited(batch) || queue_->is_awaited();
    if (!std::exchange(warned_, true)) {
      warn("cannot write the recording ", writer_->path(), ": ", strerror(error),
           broken_ ? "; the last calls are lost, and counted"
                   : "; waiting until there is room: the program runs on, and calls that find "
                     "none are lost and counted");
    }
    if (!broken_) nanosleep(&kPause, nullptr);
  }
  if (!broken_) return;
  for (const LaneRun& run : batch.runs) {
    if (is_shadow_lane(run.lane)) continue;
    lost_calls_ += count_entries(unpacked(run.run, &unpacker_, &memory_));
  }
  rest_.watermark = batch.watermark;
  for (const Notice& each : batch.notices) {
    if (each.kind == Notice::Kind::kRunDelay) continue;
    if (rest_.notices.size() < kMaxKept) rest_.notices.push_back(each);
  }
}

void Recorder::tell_losses() {
  if (!broken_ || rest_.notices.empty()) return;
  writer_->use_reserve();
  if (writer_->lost(lost_calls_) && writer_->batch(rest_)) {
    lost_calls_ = 0;
    rest_.notices.clear();
  } else if (lost_calls_ > 0) {
    warn("the recording ", writer_->path(), " lacks the last ", std::exchange(lost_calls_, 0),
         " calls, and had no room for a note of it");
  }
}

void Recorder::add_facts(bool last) {
  if (all_facts_ || !any_records_) return;
  std::string facts = hooks_.facts(last);
  if (!facts.empty()) all_facts_ = writer_->facts(facts);
}

void Recorder::take(const Batch& batch) {
  for (const LaneRun& run : batch.runs) {
    if (!is_shadow_lane(run.lane)) look_for_processes(run);
  }
  for (const Notice& each : batch.notices) notice(each);
}

bool Recorder::Segment::is_new(uint64_t process) {
  if (!processes.insert(process).second) return false;
  by_age.push_back(process);
  if (by_age.size() > kMostProcesses) {
    processes.erase(by_age.front());
    by_age.pop_front();
  }
  return true;
}

// Forked children join their parent's segment without a word to the drain: their first thread's
// message tells of them.
void Recorder::look_for_processes(const LaneRun& run) {
  Newcomer& lane = lanes_[{run.segment, run.lane}];
  if (lane.known) return;
  Segment& segment = segments_[run.segment];
  lane.stream.append(unpacked(run.run, &unpacker_, &memory_));
  while (const uint64_t* record = lane.stream.peek()) {
    if (!is_exit(*record) && is_control(record[1])) {
      ControlKind kind = control_kind(record[1]);
      std::optional<AssembledMessage> message;
      if (kind == ControlKind::kMessage) {
        message = lane.stream.message();
        if (!message) lane.messages.begin(control_a(record[1]), control_b(record[2]));
      } else if (kind == ControlKind::kMessageData) {
        message = lane.messages.add(record);
      }
      if (message.has_value() && message->type == MessageType::kThread) {
        auto thread = message->head<ThreadMessage>();
        bool child = thread.has_value() && thread->parent_process != 0;
        if (child && segment.info != nullptr && segment.info->pid == segment.os_pid &&
            segment.is_new(thread->process)) {
          hooks_.watch(run.segment, thread->pid);
        }
        lane = {};
        lane.known = true;
        return;
      }
    }
    lane.stream.next();
  }
}

void Recorder::notice(const Notice& notice) {
  switch (notice.kind) {
    case Notice::Kind::kSegmentOpened:
      segments_[notice.segment] = {notice.info, notice.os_pid, {}, {}};
      break;
    case Notice::Kind::kSegmentClosed:
      segments_.erase(notice.segment);
      break;
    case Notice::Kind::kLaneEnded:
      lanes_.erase({notice.segment, notice.lane});
      break;
    case Notice::Kind::kFlush:
      notice.flushed->store(notice.value, std::memory_order_release);
      break;
    case Notice::Kind::kDump:
      if (notice.answer != nullptr) (*notice.answer)(std::nullopt);
      break;
    case Notice::Kind::kProgramEnded:
      hooks_.encoded();
      tell_losses();
      hooks_.written();
      break;
    case Notice::Kind::kLastWords:
      tell_losses();
      over_ = true;
      break;
    default:
      break;
  }
}

}  // namespace telinject::drain
