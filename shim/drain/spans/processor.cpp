#include "shim/drain/spans/processor.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "shim/channel/clock.h"
#include "shim/drain/records/lane_merge.h"
#include "shim/drain/records/shadow_lane.h"

namespace telinject::drain {

namespace {

using std::chrono::steady_clock;

constexpr size_t kMaxSamples = 64;  // of a lane. Without one of them the next is of more time

bool changes_totals(const Batch& batch) {
  return !batch.runs.empty() ||
         std::any_of(batch.notices.begin(), batch.notices.end(), [](const Notice& notice) {
           return notice.kind == Notice::Kind::kLaneEnded ||
                  notice.kind == Notice::Kind::kProcessEnded ||
                  notice.kind == Notice::Kind::kSegmentClosed;
         });
}

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
      losses_(clock, &time_, &events_),
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
      code_sweep_(&modules_, &sites_, &stacks_, &table_, &events_),
      reports_(std::move(options_.totals), &sites_, &operations_.http(), &events_) {
  events_.facts().file = options_.output;
  events_.facts().exact_totals = options_.exact_totals;
}

std::optional<Batch> Processor::run(bool leave_when_stopped, std::optional<Batch> first) {
  leaves_ = leave_when_stopped;
  while (!over_) {
    Batch batch = first.has_value() ? *std::exchange(first, std::nullopt) : next();
    if (leaves_ && interrupted() && !batch.runs.empty()) {
      events_.conclude();
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

// The totals are told when they are due, also while nothing happens.
Batch Processor::next() {
  for (;;) {
    auto due = events_.totals_due();
    if (queue_->wait_until(due)) return queue_->pop();
    tell_totals();
  }
}

void Processor::tell_totals() {
  totals_told_ = true;
  totals_told_at_ = steady_clock::now();
  bool now = !options_.replay;
  int64_t now_ns = now ? clock_ns(CLOCK_REALTIME) : static_cast<int64_t>(time_.now_ns());
  TotalsView totals(&sites_, &operations_.requests(), &events_, options_.started_ns,
                    std::max(now_ns, options_.started_ns));
  events_.tell_totals(totals);
}

void Processor::finish() {
  events_.conclude();
  if (!totals_told_) tell_totals();
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
  if (changes_totals(*batch)) totals_told_ = false;
  time_.reach(batch->watermark);
  if (!options_.replay) giving_way_.took(batch->bytes);
  for (LaneRun& run : batch->runs) append(&run);
  for (const Notice& notice : batch->notices) {
    if (notice.kind == Notice::Kind::kRunDelay) sort_in(notice.run_delay);
  }
  take_records(batch->watermark);
  for (const Notice& notice : batch->notices) take_notice(notice);
  ends_.decide(/*all=*/false);
  ends_.forget(batch->watermark);
  code_sweep_.run_if_wanted();
  if (!options_.replay && steady_clock::now() >= events_.totals_due()) tell_totals();
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
      events_.facts().not_traced(notice.text);
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
    case Notice::Kind::kDump:
      return dump(notice);
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
  events_.losses().add(LossReason::kQueueFull, notice.lost_records);
  Thread* thread = nullptr;
  uint64_t last_ticks = 0;
  if (auto found = segment->lanes.find(notice.lane); found != segment->lanes.end()) {
    router_.take_last({segment, notice.lane, &found->second}, notice.ticks);
    thread = found->second.thread;
    last_ticks = found->second.stream.ticks();
    segment->lanes.erase(found);
  }
  if (thread != nullptr) return ends_.lane_ended(thread, notice, last_ticks);
  // Nothing was recorded that says which thread it was.
  if (notice.lost_calls == 0) return;
  losses_.lost_in_segment(segment, LossReason::kQueueFull, notice.lost_calls, notice.ticks);
}

void Processor::flush(const Notice& notice) {
  ends_.end_exiting(table_.segment(notice.segment), notice.ticks);
  // Each process that ends asks for a flush: there may be many. The last ones follow at the end.
  constexpr std::chrono::seconds kPause{1};
  bool late = steady_clock::now() - totals_told_at_ >= kPause;
  if (options_.totals_when_flushed && !totals_told_ && late) tell_totals();
  events_.flush();
  if (options_.totals_when_flushed) reports_.write_totals();
  if (notice.flushed != nullptr) notice.flushed->store(notice.value, std::memory_order_release);
}

void Processor::dump(const Notice& notice) {
  std::optional<Notice::Dumped> dumped = events_.dump();
  if (notice.answer != nullptr) (*notice.answer)(dumped);
}

// telrun's program.
void Processor::end_program() {
  ends_.decide(/*all=*/true);
  tell_totals();
  events_.hurry();
  events_.flush();
  hooks_.encoded();
  reports_.write_totals();
  if (options_.summary) reports_.print_summary();
  hooks_.written();
}

}  // namespace telinject::drain
