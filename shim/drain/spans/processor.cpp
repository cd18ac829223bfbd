// Batches and notices: who comes, who ends, and why.
#include "shim/drain/spans/processor.h"

#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "shim/drain/base/complain.h"
#include "shim/drain/records/shadow_lane.h"
#include "shim/sinks/standard_error.h"

namespace telinject::drain {

namespace {

constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kSecond = 1000 * kMillisecond;
// After a thread has ended with open spans: for the news that its process has. While other threads
// of it are seen alive that is not long: a process takes its threads with it within milliseconds.
constexpr uint64_t kVerdictNs = 200 * kMillisecond;
constexpr uint64_t kVerdictWithOthersNs = 50 * kMillisecond;

uint64_t monotonic_ns() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * kSecond + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

Processor::Processor(BatchQueue* queue, ClockKeeper* clock, EventOutputs outputs, Options options,
                     Hooks hooks)
    : queue_(queue),
      clock_(clock),
      options_(std::move(options)),
      filtering_(options_.filter.active() ||
                 (options_.exact_totals && options_.sample_rate != kRateOne)),
      hooks_(std::move(hooks)),
      events_(std::move(outputs), {options_.metadata, options_.finder, options_.sample_rate}, queue,
              &stopping_),
      http_(this, &events_, options_.slow_http_ns) {
  events_.facts().file = options_.output;
  events_.facts().exact_totals = options_.exact_totals;
}

std::optional<Batch> Processor::run(bool leave_when_stopped, std::optional<Batch> first) {
  leaves_ = leave_when_stopped;
  while (!over_) {
    Batch batch = first.has_value() ? *std::exchange(first, std::nullopt) : queue_->pop();
    if (leaves_ && stopping_.load(std::memory_order_relaxed) && !batch.runs.empty()) {
      events_.flush();
      return batch;
    }
    take(&batch);
    hooks_.progress->fetch_add(1, std::memory_order_relaxed);
    if (queue_->empty()) events_.pass_on();
  }
  events_.flush();
  write_totals();
  return std::nullopt;
}

// For what is decided after a while.
uint64_t Processor::now_ns() const {
  return options_.replay ? static_cast<uint64_t>(clock_->to_ns(replay_ticks_)) : monotonic_ns();
}

void Processor::replay(Batch batch) {
  take(&batch);
}

void Processor::finish_replay() {
  // If it broke off, nothing comes any more that could be earlier than what was read. What was read
  // last may be later than what its batch could vouch for.
  for (auto& [id, segment] : segments_) {
    for (auto& [number, lane] : segment.lanes) {
      if (segment.info == nullptr) continue;
      consume(&segment, number, &lane, ~uint64_t{0});
      replay_ticks_ = std::max(replay_ticks_, lane.stream.ticks());
    }
  }
  while (!segments_.empty()) {
    Notice closed(Notice::Kind::kSegmentClosed);
    closed.segment = segments_.begin()->first;
    closed.ticks = replay_ticks_;
    close_segment(closed);
  }
  events_.flush();
  write_totals();
}

void Processor::take(Batch* batch) {
  clock_->keep_time();
  replay_ticks_ = std::max(replay_ticks_, batch->watermark);
  if (!options_.replay) giving_way_.took(batch->bytes);
  std::vector<LaneStream*> streams;
  std::vector<std::tuple<SegmentState*, uint32_t, LaneTrack*>> lanes;
  for (LaneRun& run : batch->runs) {
    SegmentState& segment = segments_[run.segment];
    if (segment.info == nullptr) continue;
    if (!leaves_ && stopping_.load(std::memory_order_relaxed)) {
      if (!is_shadow_lane(run.lane)) {
        events_.losses().add(LossReason::kInterrupted, count_entries(run.run));
      }
      continue;
    }
    if (is_shadow_lane(run.lane)) {
      segment.lanes[run.lane - kMaxLanes].preemptions.append(std::move(run.run), 0);
    } else {
      segment.lanes[run.lane].stream.append(std::move(run.run), segment.info->ticks_ahead);
    }
  }
  sort_in(&batch->notices);
  for (auto& [id, segment] : segments_) {
    for (auto& [number, lane] : segment.lanes) {
      if (lane.stream.peek() == nullptr) continue;
      streams.push_back(&lane.stream);
      lanes.emplace_back(&segment, number, &lane);
    }
  }
  merge_lanes(streams, batch->watermark, [&](size_t i, uint64_t until) {
    auto& [segment, number, lane] = lanes[i];
    consume(segment, number, lane, until);
  });
  for (Notice& notice : batch->notices) this->notice(&notice);
  decide_ended_threads(/*all=*/false);
  events_.count_lost();
  events_told_.store(events_.facts().events, std::memory_order_relaxed);
}

void Processor::notice(Notice* notice) {
  switch (notice->kind) {
    case Notice::Kind::kSegmentOpened:
      open_segment(*notice);
      break;
    case Notice::Kind::kLaneEnded:
      end_lane(*notice);
      break;
    case Notice::Kind::kProcessEnded:
      end_process(*notice);
      break;
    case Notice::Kind::kSegmentClosed:
      close_segment(*notice);
      break;
    case Notice::Kind::kFlush:
      end_exiting(&segments_[notice->segment], notice->ticks);
      events_.flush();
      if (options_.totals_when_flushed) write_totals();
      if (notice->flushed != nullptr) {
        notice->flushed->store(notice->value, std::memory_order_release);
      }
      break;
    case Notice::Kind::kUntraced:
      events_.facts().untraced.push_back(notice->text);
      break;
    case Notice::Kind::kProgramStarted:
      events_.facts().program = notice->text;
      break;
    case Notice::Kind::kProgramEnded:
      decide_ended_threads(/*all=*/true);
      events_.hurry();
      events_.flush();
      hooks_.encoded();
      write_totals();
      if (options_.summary) print_summary();
      hooks_.written();
      break;
    case Notice::Kind::kStop:
      stop();
      break;
    case Notice::Kind::kIdle:
      events_.pass_on();
      break;
    case Notice::Kind::kRunDelay:
      break;  // sorted in before the records
    case Notice::Kind::kLastWords:
      decide_ended_threads(/*all=*/true);
      over_ = true;
      break;
  }
}

void Processor::open_segment(const Notice& notice) {
  SegmentState& segment = segments_[notice.segment];
  segment.id = notice.segment;
  segment.info = notice.info;
  segment.os_pid = notice.os_pid;
  events_.sequence_of(segment, segment.os_pid,
                      segment.info->pid);  // it may have one from another program
  events_.facts().joined++;
}

void Processor::end_lane(const Notice& notice) {
  SegmentState& segment = segments_[notice.segment];
  auto found = segment.lanes.find(notice.lane);
  if (found == segment.lanes.end()) return;
  LaneTrack& lane = found->second;
  consume(&segment, notice.lane, &lane, ~uint64_t{0});
  apply_preemptions(&lane, notice.ticks);
  take_samples(&lane, ~uint64_t{0});
  events_.losses().add(LossReason::kQueueFull, notice.lost_records);
  Thread* thread = lane.thread;
  uint64_t last_ticks = lane.stream.ticks();
  segment.lanes.erase(found);
  if (thread == nullptr) return;
  uint64_t known = thread->lost_told + thread->lost_untold;
  lose(thread, notice.lost_calls > known ? notice.lost_calls - known : 0, notice.ticks,
       /*now=*/true);
  thread->ended = true;
  thread->end_ticks = notice.ticks;
  bool forced = std::any_of(thread->flights.begin(), thread->flights.end(),
                            [](const Flight& flight) { return flight.forced; });
  // pthread_exit, as it said itself; cancelled, as its landing pads did. Destructors may have run
  // since.
  if (thread->tree.exiting()) thread->end_ticks = std::max(thread->tree.exit_ticks(), last_ticks);
  if (!thread->tree.has_open() || thread->tree.exiting() || forced) {
    finish_thread(thread, ExitKind::kThreadEnd);
  } else if (ended_alone(*thread)) {
    finish_thread(thread, ExitKind::kThreadEnd);
  } else if (thread->process->ended || thread->tree.executing()) {
    finish_thread(thread, kind_of(*thread->process));
  } else {
    // Alone, or with its process? That is known in a moment.
    thread->decide_by_ns = now_ns() + kVerdictNs;
    undecided_.push_back(thread);
  }
}

ExitKind Processor::kind_of(const Process& process) const {
  if (process.executed) return ExitKind::kExec;
  if (process.end.known) {
    return WIFSIGNALED(process.end.status) ? ExitKind::kKilled : ExitKind::kProcessExit;
  }
  if (process.crash.has_value()) return ExitKind::kKilled;
  return process.exiting ? ExitKind::kProcessExit : ExitKind::kUnknown;
}

// A thread that ended before its process said that it is about to end: seen by the collector, or by
// the process.
bool Processor::ended_alone(const Thread& thread) const {
  const Process& process = *thread.process;
  return thread.ended_before_process ||
         (thread.ended && process.exiting && thread.end_ticks < process.exit_ticks);
}

// Removes a thread that has ended; what it left open ends with it.
void Processor::finish_thread(Thread* thread, ExitKind kind) {
  Process* process = thread->process;
  // Whatever became of the program that it executed.
  if (thread->tree.executing()) {
    kind = ExitKind::kExec;
    // The news of how the process ended may come last of all: it is of the program that it
    // executed.
    process->executed = process->executed || !thread->tree.in_vfork();
  }
  thread->tree.close_all(kind, thread->end_ticks);
  release_main(thread, process->exit_status());
  http_.forget(thread);
  std::erase(undecided_, thread);
  if (process->threads.size() == 1 && process->stacks.any_open()) {
    // Coroutines that are not over need a thread to be written by, now or when the process ends.
    if (!process->exiting && !process->ended) return;
    close_stacks(process, kind == ExitKind::kThreadEnd ? kind_of(*process) : kind,
                 thread->end_ticks);
  }
  std::erase_if(process->threads, [&](const auto& owned) { return owned.get() == thread; });
}

void Processor::decide_ended_threads(bool all) {
  if (undecided_.empty()) return;
  uint64_t now = now_ns();
  std::vector<Thread*> threads(undecided_.begin(), undecided_.end());
  for (Thread* thread : threads) {
    Process* process = thread->process;
    bool others = std::any_of(process->threads.begin(), process->threads.end(),
                              [](const auto& other) { return !other->ended; });
    if (ended_alone(*thread)) {
      finish_thread(thread, ExitKind::kThreadEnd);
    } else if (process->ended || process->exiting) {
      finish_thread(thread, kind_of(*process));
    } else if (all ||
               now + (others ? kVerdictNs - kVerdictWithOthersNs : 0) >= thread->decide_by_ns) {
      // Its process lives on, or was never seen to end: a forked child that nobody waits for.
      bool alive = others || process->os_pid != 0;
      if (!alive) http_.end_process(process, ExitKind::kUnknown, thread->end_ticks);
      finish_thread(thread, alive ? ExitKind::kThreadEnd : ExitKind::kUnknown);
    }
  }
}

// A coroutine's frames belong to no thread; any will do to write them.
void Processor::close_stacks(Process* process, ExitKind kind, uint64_t ticks) {
  if (process->threads.empty()) return;
  Thread* writer = process->threads.front().get();
  process->stacks.each([&](FrameStack& stack) {
    while (!stack.frames.empty()) {
      Frame frame = stack.pop();
      span_closed(writer, &stack, frame, kind, ticks, false);
    }
  });
}

void Processor::finish_process(Process* process, ExitKind kind, uint64_t ticks) {
  http_.end_process(process, kind, ticks);
  tell_forgotten(process, ticks);
  close_stacks(process, kind, ticks);
  for (size_t i = process->threads.size(); i-- > 0;) {
    Thread* thread = process->threads[i].get();
    if (!thread->ended) continue;
    finish_thread(thread, ended_alone(*thread) ? ExitKind::kThreadEnd : kind);
  }
}

// A process that was watched has ended, or has executed another program: that has a segment of its
// own, and may have made calls already.
void Processor::end_process(const Notice& notice) {
  bool executed = notice.text == "exec";
  auto found = segments_.find(notice.segment);
  if (!executed) events_.end_sequence(notice.os_pid);
  if (found == segments_.end()) return;
  SegmentState& segment = found->second;
  if (segment.os_pid == notice.os_pid) segment.executed = segment.executed || executed;
  for (auto& [id, process] : segment.processes) {
    if (process->os_pid != notice.os_pid || process->ended) continue;
    // Its parent has taken its status before we could, and is about to say which.
    if (!process->first && !executed && !notice.end.known &&
        kind_of(*process) == ExitKind::kUnknown) {
      process->os_pid = 0;
      continue;
    }
    process->ended = true;
    process->executed = process->executed || executed;
    process->end = notice.end;
    finish_process(process.get(), kind_of(*process), notice.ticks);
  }
}

// A forked child that has executed a program, of which the notice is still to come: what is told of
// its end is that program's.
bool Processor::has_executed(const SegmentState& segment, const Process& process) const {
  bool about_to = std::any_of(process.threads.begin(), process.threads.end(),
                              [](const auto& thread) { return thread->tree.executing(); });
  return about_to || std::any_of(segments_.begin(), segments_.end(), [&](const auto& each) {
           const SegmentState& other = each.second;
           return other.id > segment.id && other.info != nullptr &&
                  other.info->pid == process.pid &&
                  other.info->pid_namespace == segment.info->pid_namespace;
         });
}

// Its parent has waited for it. What its threads wrote comes before, by time; the news that they
// have ended may come after.
void Processor::child_ended(SegmentState* segment, int pid, int status, uint64_t ticks) {
  for (auto& [id, process] : segment->processes) {
    if (process->pid != pid || process->ended || process->first) continue;
    process->ended = true;
    process->executed = process->executed || has_executed(*segment, *process);
    process->end = {true, status};
    finish_process(process.get(), kind_of(*process), ticks);
  }
}

// A process that waits at its end for its spans to be written will make no more.
void Processor::end_exiting(SegmentState* segment, uint64_t ticks) {
  for (auto& [id, process] : segment->processes) {
    if (!process->exiting) continue;
    http_.end_process(process.get(), ExitKind::kProcessExit, ticks);
    for (auto& thread : process->threads) {
      bool alone = ended_alone(*thread);
      thread->tree.close_all(alone ? ExitKind::kThreadEnd : ExitKind::kProcessExit,
                             alone && thread->ended ? thread->end_ticks : ticks);
      release_main(thread.get(), process->exit_status());
    }
  }
}

void Processor::close_segment(const Notice& notice) {
  SegmentState& segment = segments_[notice.segment];
  for (size_t i = 0; i < kLossReasons; i++) {
    if (notice.lost[i] == 0) continue;
    lose_in_segment(&segment, static_cast<LossReason>(i), notice.lost[i], notice.ticks);
  }
  for (auto& [id, process] : segment.processes) {
    if (!process->ended && process->os_pid == notice.os_pid) {
      process->end = notice.end;
      process->executed = process->executed || (process->first && segment.executed);
    }
    process->ended = true;
    for (auto& thread : process->threads) {
      if (!thread->ended) thread->end_ticks = notice.ticks;
      thread->ended = true;
    }
    finish_process(process.get(), kind_of(*process), notice.ticks);
    events_.forget(process.get());
  }
  events_.drop_sequences(segment);
  segments_.erase(notice.segment);
}

void Processor::write_totals() {
  if (options_.totals == nullptr) return;
  const std::deque<FunctionTotals>& all = sites_.totals();
  bool counted = events_.losses().total() > 0 || http_.totals().requests() > 0 ||
                 std::any_of(all.begin(), all.end(), [](auto& f) { return f.calls > 0; });
  std::string problem;
  if (options_.totals->write(totals_json(events_.facts(), events_.losses(), all, http_.totals()),
                             counted, &problem))
    return;
  complain("cannot write totals to ", problem);
  options_.totals = nullptr;
}

void Processor::print_summary() {
  events_.count_bytes();
  StandardError::get().write(
      summary_text(events_.facts(), events_.losses(), sites_.totals(), http_.totals()), 2000);
}

}  // namespace telinject::drain
