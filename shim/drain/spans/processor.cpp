#include "shim/drain/spans/processor.h"

#include <utility>

#include "shim/drain/records/lane_merge.h"
#include "shim/drain/records/shadow_lane.h"

namespace telinject::drain {

namespace {

constexpr size_t kMaxSamples = 64;  // of a lane. Without one of them the next is of more time

}  // namespace

Processor::Processor(BatchQueue* queue, ClockKeeper* clock, EventOutputs outputs, Options options,
                     Hooks hooks)
    : queue_(queue),
      clock_(clock),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      time_(clock, options_.replay),
      events_(std::move(outputs), {options_.metadata, options_.finder, options_.sample_rate}, queue,
              &stopping_),
      time_away_(clock, &events_),
      losses_(clock, &events_),
      emitter_(&options_.filter, options_.exact_totals && options_.sample_rate != kRateOne,
               &events_),
      exceptions_(clock, &stacks_, &emitter_, &events_),
      exit_errors_(&stacks_, &events_),
      calls_(clock, &emitter_, &exceptions_, &exit_errors_, &losses_, &events_),
      operation_parents_(clock, &emitter_),
      placer_(&operation_parents_),
      operations_(&placer_, &events_, options_.operations),
      table_(&modules_, &sites_, &calls_, &events_, {options_.replay, hooks_.watch}),
      ends_(&time_, &table_, &calls_, &exit_errors_, &losses_, &operations_, &events_),
      router_({clock, &table_, &ends_, &spawn_contexts_, &emitter_, &exceptions_, &exit_errors_,
               &losses_, &time_away_, &operations_, &events_}),
      reports_(std::move(options_.totals), &sites_, &operations_.http(), &events_) {
  events_.facts().file = options_.output;
  events_.facts().exact_totals = options_.exact_totals;
}

std::optional<Batch> Processor::run(bool leave_when_stopped, std::optional<Batch> first) {
  leaves_ = leave_when_stopped;
  while (!over_) {
    Batch batch = first.has_value() ? *std::exchange(first, std::nullopt) : queue_->pop();
    if (leaves_ && interrupted() && !batch.runs.empty()) {
      events_.flush();
      return batch;
    }
    take(&batch);
    hooks_.progress->fetch_add(1, std::memory_order_relaxed);
    if (queue_->empty()) events_.pass_on();
  }
  finish();
  return std::nullopt;
}

void Processor::finish() {
  events_.flush();
  reports_.write_totals();
}

void Processor::finish_replay() {
  // If it broke off, nothing comes any more that could be earlier than what was read. What was read
  // last may be later than what its batch could vouch for.
  for (const LanePlace& at : table_.lanes()) {
    router_.take(at, RecordRouter::kAll);
    time_.reach(at.lane->stream.ticks());
  }
  while (auto id = table_.first_segment()) {
    Notice closed(Notice::Kind::kSegmentClosed);
    closed.segment = *id;
    closed.ticks = time_.ticks();
    ends_.segment_closed(closed);
  }
  finish();
}

void Processor::take(Batch* batch) {
  clock_->keep_time();
  time_.reach(batch->watermark);
  if (!options_.replay) giving_way_.took(batch->bytes);
  for (LaneRun& run : batch->runs) append(&run);
  for (const Notice& notice : batch->notices) {
    if (notice.kind == Notice::Kind::kRunDelay) sort_in(notice.run_delay);
  }
  take_records(batch->watermark);
  for (const Notice& notice : batch->notices) take_notice(notice);
  ends_.decide(/*all=*/false);
  events_.count_lost();
  events_told_.store(events_.facts().events, std::memory_order_relaxed);
}

// To its lane, whose records come when those of other lanes do.
void Processor::append(LaneRun* run) {
  SegmentState* segment = table_.segment(run->segment);
  if (segment->info == nullptr) return;
  bool shadow = is_shadow_lane(run->lane);
  if (!leaves_ && interrupted()) {
    if (!shadow) events_.losses().add(LossReason::kInterrupted, count_entries(run->run));
  } else if (shadow) {
    segment->lanes[run->lane - kMaxLanes].preemptions.append(std::move(run->run), 0);
  } else {
    segment->lanes[run->lane].stream.append(std::move(run->run), segment->info->ticks_ahead);
  }
}

// Among the records of their batch, before these are looked at.
void Processor::sort_in(const std::vector<RunDelaySample>& samples) {
  for (const RunDelaySample& sample : samples) {
    LaneTrack* lane = table_.find_lane(sample.segment, sample.lane);
    if (lane != nullptr && lane->samples.size() < kMaxSamples) lane->samples.push_back(sample);
  }
}

void Processor::take_records(uint64_t watermark) {
  std::vector<LanePlace> lanes = table_.lanes_with_records();
  std::vector<LaneStream*> streams;
  streams.reserve(lanes.size());
  for (const LanePlace& at : lanes) streams.push_back(&at.lane->stream);
  merge_lanes(streams, watermark, [&](size_t i, uint64_t until) { router_.take(lanes[i], until); });
}

void Processor::take_notice(const Notice& notice) {
  switch (notice.kind) {
    case Notice::Kind::kSegmentOpened:
      return table_.open_segment(notice);
    case Notice::Kind::kLaneEnded:
      return end_lane(notice);
    case Notice::Kind::kProcessEnded:
      return ends_.process_ended(notice);
    case Notice::Kind::kSegmentClosed:
      return ends_.segment_closed(notice);
    case Notice::Kind::kFlush:
      return flush(notice);
    case Notice::Kind::kUntraced:
      events_.facts().untraced.push_back(notice.text);
      return;
    case Notice::Kind::kProgramStarted:
      events_.facts().program = notice.text;
      return;
    case Notice::Kind::kProgramEnded:
      return end_program();
    case Notice::Kind::kStop:
      return stop();
    case Notice::Kind::kIdle:
      return events_.pass_on();
    case Notice::Kind::kRunDelay:
      return;  // sorted in before the records
    case Notice::Kind::kLastWords:
      ends_.decide(/*all=*/true);
      over_ = true;
      return;
  }
}

void Processor::end_lane(const Notice& notice) {
  SegmentState* segment = table_.segment(notice.segment);
  auto found = segment->lanes.find(notice.lane);
  if (found == segment->lanes.end()) return;
  router_.take_last({segment, notice.lane, &found->second}, notice.ticks);
  events_.losses().add(LossReason::kQueueFull, notice.lost_records);
  Thread* thread = found->second.thread;
  uint64_t last_ticks = found->second.stream.ticks();
  segment->lanes.erase(found);
  if (thread != nullptr) ends_.lane_ended(thread, notice, last_ticks);
}

void Processor::flush(const Notice& notice) {
  ends_.end_exiting(table_.segment(notice.segment), notice.ticks);
  events_.flush();
  if (options_.totals_when_flushed) reports_.write_totals();
  if (notice.flushed != nullptr) notice.flushed->store(notice.value, std::memory_order_release);
}

// telrun's program.
void Processor::end_program() {
  ends_.decide(/*all=*/true);
  events_.hurry();
  events_.flush();
  hooks_.encoded();
  reports_.write_totals();
  if (options_.summary) reports_.print_summary();
  hooks_.written();
}

}  // namespace telinject::drain
