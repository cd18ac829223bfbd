#include "shim/drain/spans/process_ends.h"

#include <sys/wait.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/channel/clock.h"
#include "shim/drain/spans/archive.h"

namespace telinject::drain {

namespace {

// After a thread has ended with open spans: for the news that its process has. While other threads
// of it are seen alive that is not long: a process takes its threads with it within milliseconds.
constexpr uint64_t kVerdictNs = 200 * kMillisecond;
constexpr uint64_t kVerdictWithOthersNs = 50 * kMillisecond;
// A process without threads whose end nobody has told counts as ended after so long: after the
// shorter time if it said itself that it exits, or if its parent is about to say how it ended. Or
// sooner, if there are more of them than kMostUnseen.
constexpr uint64_t kSoonNs = 1000 * kMillisecond, kLateNs = 60000 * kMillisecond;
constexpr size_t kMostUnseen = 4096;

ExitKind kind_of(const Process& process) {
  if (process.executed) return ExitKind::kExec;
  if (process.end.known) {
    return WIFSIGNALED(process.end.status) ? ExitKind::kKilled : ExitKind::kProcessExit;
  }
  if (process.crash.has_value()) return ExitKind::kKilled;
  return process.exiting ? ExitKind::kProcessExit : ExitKind::kUnknown;
}

// A thread that ended before its process said that it is about to end: seen by the collector, or by
// the process.
bool ended_alone(const Thread& thread) {
  const Process& process = *thread.process;
  return thread.ended_before_process ||
         (thread.ended && process.exiting && thread.end_ticks < process.exit_ticks);
}

// pthread_exit, as it said itself; cancelled, as its landing pads did.
bool ended_by_itself(const Thread& thread) {
  const Flights& flights = thread.errors.flights;
  return thread.tree.exiting() || std::any_of(flights.begin(), flights.end(),
                                              [](const Flight& flight) { return flight.forced; });
}

}  // namespace

void ProcessEnds::process_exits(Process* process, uint64_t ticks, std::optional<int> status) {
  if (!process->exiting) process->exit_ticks = ticks;
  process->exiting = true;
  if (status.has_value()) process->said_status = status;
  for (auto& thread : process->threads) {
    exit_errors_->emit_main(thread.get(), process->exit_status());
  }
}

// Nothing if that is known already, and the lane perhaps in use again. Forked processes have lanes
// in the same segment.
void ProcessEnds::thread_ended_first(SegmentState* segment, uint32_t lane, const Process* process) {
  auto found = segment->lanes.find(lane);
  if (found == segment->lanes.end()) return;
  Thread* thread = found->second.thread;
  if (thread != nullptr && thread->process == process) thread->ended_before_process = true;
}

void ProcessEnds::child_ended(SegmentState* segment, int pid, int status, uint64_t ticks) {
  for (Process* process : ProcessTable::with_pid(*segment, pid)) {
    if (process->pid != pid || process->ended || process->first) continue;
    // If the notice of what it executed is still to come: what is told of its end is that
    // program's.
    end(process, {true, status}, table_->has_executed(*segment, *process), ticks);
  }
}

void ProcessEnds::lane_ended(Thread* thread, const Notice& notice, uint64_t last_ticks) {
  uint64_t known = thread->losses.told + thread->losses.untold;
  losses_->lost(thread, notice.lost_calls > known ? notice.lost_calls - known : 0, notice.ticks,
                /*now=*/true);
  thread->ended = true;
  thread->end_ticks = notice.ticks;
  // Destructors may have run since.
  if (thread->tree.exiting()) thread->end_ticks = std::max(thread->tree.exit_ticks(), last_ticks);
  if (!thread->tree.has_open() || ended_by_itself(*thread) || ended_alone(*thread)) {
    finish_thread(thread, ExitKind::kThreadEnd);
  } else if (thread->process->ended || thread->tree.executing()) {
    finish_thread(thread, kind_of(*thread->process));
  } else {
    // Alone, or with its process? That is known in a moment.
    thread->decide_by_ns = time_->now_ns() + kVerdictNs;
    add_undecided(thread);
  }
}

void ProcessEnds::add_undecided(Thread* thread) {
  thread->undecided = ++last_undecided_;
  undecided_.emplace(thread->undecided, thread);
}

void ProcessEnds::decide(bool all) {
  if (undecided_.empty()) return;
  uint64_t now_ns = time_->now_ns();
  // Asked once of each process: none of what is decided here changes it.
  absl::flat_hash_map<const Process*, bool> living;
  std::vector<Thread*> threads;
  threads.reserve(undecided_.size());
  for (const auto& [number, thread] : undecided_) threads.push_back(thread);
  for (Thread* thread : threads) {
    const Process* process = thread->process;
    auto [others, added] = living.try_emplace(process, false);
    if (added) {
      others->second = std::any_of(process->threads.begin(), process->threads.end(),
                                   [](const auto& other) { return !other->ended; });
    }
    decide(thread, now_ns, all, others->second);
  }
}

// `others`: there are threads of its process that have not ended.
void ProcessEnds::decide(Thread* thread, uint64_t now_ns, bool all, bool others) {
  Process* process = thread->process;
  uint64_t sooner = others ? kVerdictNs - kVerdictWithOthersNs : 0;
  if (ended_alone(*thread)) {
    finish_thread(thread, ExitKind::kThreadEnd);
  } else if (process->ended || process->exiting) {
    finish_thread(thread, kind_of(*process));
  } else if (all || now_ns + sooner >= thread->decide_by_ns) {
    // Its process lives on, or was never seen to end: a forked child that is not waited for.
    bool alive = others || process->os_pid != 0;
    if (!alive) operations_->end_process(process, ExitKind::kUnknown, thread->end_ticks);
    finish_thread(thread, alive ? ExitKind::kThreadEnd : ExitKind::kUnknown);
  }
}

// Removes a thread that has ended; what it left open ends with it.
void ProcessEnds::finish_thread(Thread* thread, ExitKind kind) {
  Process* process = thread->process;
  // Whatever became of the program that it executed.
  if (thread->tree.executing()) {
    kind = ExitKind::kExec;
    // The news of how the process ended may come last of all: it is of the program that it
    // executed.
    process->executed = process->executed || !thread->tree.in_vfork();
  }
  thread->tree.close_all(kind, thread->end_ticks);
  exit_errors_->emit_main(thread, process->exit_status());
  SpanPlacer::forget(thread);
  undecided_.erase(thread->undecided);
  if (!finish_coroutines(thread, kind)) return;
  uint64_t ticks = thread->end_ticks;
  std::erase_if(process->threads, [&](const auto& owned) { return owned.get() == thread; });
  leave_if_over(process, ticks);
}

// Coroutines that are not over need a thread to be written by, now or when the process ends. False
// if the thread has to stay for that.
bool ProcessEnds::finish_coroutines(Thread* last, ExitKind kind) {
  Process* process = last->process;
  if (process->threads.size() != 1 || !process->stacks.any_open()) return true;
  if (!process->exiting && !process->ended) return false;
  calls_->close_coroutines(process, kind == ExitKind::kThreadEnd ? kind_of(*process) : kind,
                           last->end_ticks);
  return true;
}

void ProcessEnds::finish_process(Process* process, ExitKind kind, uint64_t ticks) {
  operations_->end_process(process, kind, ticks);
  losses_->tell_forgotten(process, ticks);
  calls_->close_coroutines(process, kind, ticks);
  for (size_t i = process->threads.size(); i-- > 0;) {
    Thread* thread = process->threads[i].get();
    if (!thread->ended) continue;
    finish_thread(thread, ended_alone(*thread) ? ExitKind::kThreadEnd : kind);
  }
  leave_if_over(process, ticks);
}

void ProcessEnds::leave_if_over(Process* process, uint64_t ticks) {
  SegmentState* segment = process->segment;
  if (!process->threads.empty() || process == segment->first) return;
  Leaving leaving = {segment->id, process->id, ticks};
  if (process->ended) {
    leaving.ticks = std::max(ticks, time_->ticks());
    if (!std::exchange(process->leaving, true)) ended_.push_back(leaving);
  } else if (process->os_pid == 0) {
    bool soon = process->exiting || process->reaped;
    wait_unseen(process, leaving, time_->now_ns() + (soon ? kSoonNs : kLateNs));
  }
}

void ProcessEnds::wait_unseen(Process* process, const Leaving& leaving, uint64_t due_ns) {
  forget_unseen(process);
  process->unseen = true;
  process->due_ns = due_ns;
  unseen_.emplace(due_ns, leaving);
}

void ProcessEnds::forget_unseen(Process* process) {
  if (!std::exchange(process->unseen, false)) return;
  auto [each, end] = unseen_.equal_range(process->due_ns);
  while (each != end &&
         (each->second.segment != process->segment->id || each->second.process != process->id)) {
    ++each;
  }
  if (each != end) unseen_.erase(each);
}

void ProcessEnds::forget(uint64_t watermark) {
  end_unseen();
  forget_ended(watermark);
}

void ProcessEnds::forget_ended(uint64_t watermark) {
  while (!ended_.empty() && ended_.front().ticks < watermark) {
    Leaving leaving = ended_.front();
    ended_.pop_front();
    Process* process = table_->find_process(leaving.segment, leaving.process);
    if (process == nullptr) continue;
    process->leaving = false;
    // A thread was heard of late: it leaves again with that.
    if (!process->threads.empty()) continue;
    events_->forget(process);
    table_->forget(process);
  }
}

void ProcessEnds::end_unseen() {
  if (unseen_.empty()) return;
  uint64_t now_ns = time_->now_ns();
  while (!unseen_.empty() && (unseen_.begin()->first <= now_ns || unseen_.size() > kMostUnseen)) {
    const Leaving leaving = unseen_.begin()->second;
    unseen_.erase(unseen_.begin());
    Process* process = table_->find_process(leaving.segment, leaving.process);
    if (process == nullptr) continue;
    process->unseen = false;
    // A thread was heard of late: it waits again when that has ended.
    if (!process->threads.empty()) continue;
    end(process, ProcessEnd(), process->executed, std::max(leaving.ticks, process->exit_ticks));
  }
}

void ProcessEnds::end(Process* process, ProcessEnd how, bool executed, uint64_t ticks) {
  forget_unseen(process);
  process->ended = true;
  process->executed = process->executed || executed;
  process->end = how;
  exit_errors_->count_end(*process);
  finish_process(process, kind_of(*process), ticks);
}

// A process that was watched has ended, or has executed another program: that has a segment of its
// own, and may have made calls already.
void ProcessEnds::process_ended(const Notice& notice) {
  bool executed = notice.text == "exec";
  if (!executed) events_->end_sequence(notice.os_pid);
  SegmentState* segment = table_->find(notice.segment);
  if (segment == nullptr) return;
  if (segment->os_pid == notice.os_pid) segment->executed = segment->executed || executed;
  for (Process* process : ProcessTable::with_pid(*segment, notice.os_pid)) {
    if (process->os_pid != notice.os_pid || process->ended) continue;
    // Its parent has taken its status before we could, and is about to say which.
    if (!process->first && !executed && !notice.end.known &&
        kind_of(*process) == ExitKind::kUnknown) {
      process->os_pid = 0;
      process->reaped = true;
      leave_if_over(process, notice.ticks);
      continue;
    }
    end(process, notice.end, executed, notice.ticks);
  }
}

void ProcessEnds::end_exiting(SegmentState* segment, uint64_t ticks) {
  for (auto& [id, process] : segment->processes) {
    if (process->exiting) end_exiting(process.get(), ticks);
  }
}

void ProcessEnds::end_exiting(Process* process, uint64_t ticks) {
  operations_->end_process(process, ExitKind::kProcessExit, ticks);
  for (auto& thread : process->threads) {
    bool alone = ended_alone(*thread);
    thread->tree.close_all(alone ? ExitKind::kThreadEnd : ExitKind::kProcessExit,
                           alone && thread->ended ? thread->end_ticks : ticks);
    exit_errors_->emit_main(thread.get(), process->exit_status());
  }
}

void ProcessEnds::segment_closed(const Notice& notice) {
  SegmentState* segment = table_->segment(notice.segment);
  for (size_t i = 0; i < kLossReasons; i++) {
    if (notice.lost[i] == 0) continue;
    losses_->lost_in_segment(segment, static_cast<LossReason>(i), notice.lost[i], notice.ticks);
  }
  for (auto& [id, process] : segment->processes) {
    end_with_segment(process.get(), *segment, notice);
    events_->forget(process.get());
  }
  table_->drop_segment(notice.segment);
}

void ProcessEnds::end_with_segment(Process* process, const SegmentState& segment,
                                   const Notice& notice) {
  if (!process->ended && process->os_pid == notice.os_pid) {
    process->end = notice.end;
    process->executed = process->executed || (process->first && segment.executed);
  }
  forget_unseen(process);
  if (!process->ended) exit_errors_->count_end(*process);
  process->ended = true;
  for (auto& thread : process->threads) {
    if (!thread->ended) thread->end_ticks = notice.ticks;
    thread->ended = true;
  }
  finish_process(process, kind_of(*process), notice.ticks);
}

template <typename Archive>
void ProcessEnds::io(Archive& a) {
  io_undecided(a);
  a(ended_);
  io_unseen(a);
  if (!Archive::kReads) return;
  for (const Leaving& each : ended_) {
    Process* process = table_->find_process(each.segment, each.process);
    if (process == nullptr) continue;  // its segment was closed meanwhile
    if (!process->ended) return a.fail();
    process->leaving = true;
  }
}

template <typename Archive>
void ProcessEnds::io_unseen(Archive& a) {
  std::deque<Leaving> unseen;
  for (const auto& [due_ns, leaving] : unseen_) unseen.push_back(leaving);
  a(unseen);
  if (!Archive::kReads) return;
  for (const Leaving& each : unseen) {
    Process* process = table_->find_process(each.segment, each.process);
    if (process == nullptr) continue;
    if (process->ended) return a.fail();
    wait_unseen(process, each, time_->now_ns() + kSoonNs);
  }
}

// How long they have to wait still; the clock is this process's.
template <typename Archive>
void ProcessEnds::io_undecided(Archive& a) {
  std::vector<Thread*> saved;
  for (const auto& [number, thread] : undecided_) saved.push_back(thread);
  uint64_t now_ns = time_->now_ns(), size = a.count(saved.size());
  for (uint64_t i = 0; i < size && a.good(); i++) {
    Thread* thread = Archive::kReads ? nullptr : saved[i];
    a.refer(thread);
    uint64_t left =
        thread == nullptr || thread->decide_by_ns < now_ns ? 0 : thread->decide_by_ns - now_ns;
    a(left);
    if (thread == nullptr || !thread->ended) return a.fail();
    if (!Archive::kReads) continue;
    if (thread->undecided != 0) return a.fail();  // twice
    thread->decide_by_ns = now_ns + std::min<uint64_t>(left, std::numeric_limits<int64_t>::max());
    add_undecided(thread);
  }
}

template void ProcessEnds::io(ArchiveWriter& a);
template void ProcessEnds::io(ArchiveReader& a);

}  // namespace telinject::drain
