// Spans: as events, and into the totals. And what was lost.
#include <algorithm>
#include <utility>

#include "shim/drain/spans/processor.h"

namespace telinject::drain {

namespace {

constexpr int64_t kLossEventNs = 100000000;

std::string_view exit_name(ExitKind kind) {
  switch (kind) {
    case ExitKind::kReturned:
      return "";
    case ExitKind::kUnwound:
      return "unwound";
    case ExitKind::kLongjmp:
      return "longjmp";
    case ExitKind::kThreadEnd:
      return "thread_end";
    case ExitKind::kProcessExit:
      return "process_exit";
    case ExitKind::kExec:
      return "exec";
    case ExitKind::kKilled:
      return "killed";
    case ExitKind::kVforkEnd:
      return "vfork_end";
    case ExitKind::kUnknown:
      return "unknown";
  }
  return "";
}

}  // namespace

void Processor::span_opened(Thread* thread, const Frame& frame) {
  if (thread->deferred_main.has_value()) emit_main(thread, 0);
  if (filtering_ || !frame.sampled) {
    decide_at_entry(thread, thread->tree.stack());
  } else {
    events_.entry(thread, frame);
  }
}

void Processor::span_closed(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                            uint64_t end_ticks, bool upper_bound) {
  int64_t end_ns = std::max(clock_->to_ns(std::max(end_ticks, frame.ticks)), frame.start_ns);
  bool fits = frame.preempted_ns == 0 ||
              frame.preempted_ns <= end_ns - frame.start_ns - std::max<int64_t>(frame.waited_ns, 0);
  if (frame.requests.open > 0 || !fits) {
    Frame ended = frame;
    ended.fit(end_ns);
    ended.requests.end_all(end_ns, ended.not_own_ns());
    return span_closed(thread, stack, ended, kind, end_ticks, upper_bound);
  }
  int64_t duration = frame.duration_ns(end_ns);
  if (!stack->frames.empty()) add_ns(&stack->frames.back().children_ns, duration);
  frame.site->totals->add(duration, frame.children_ns, frame.requests.waited_ns);
  frame.site->totals->lost_calls += frame.lost_own_calls;
  bool written =
      (!filtering_ && frame.sampled) || decide_at_exit(thread, stack, frame, kind, duration);
  if (thread->flights.empty()) {
    if (!written) return;
    if (returns_from_main(*thread, *stack, frame, kind, upper_bound)) {
      defer_main(thread, frame, end_ns);
    } else {
      write_exit(thread, *stack, frame, kind, end_ns, upper_bound, nullptr);
    }
    return;
  }
  Flight* flight = flight_that_left(thread, stack, frame, kind, end_ns);
  if (written) write_exit(thread, *stack, frame, kind, end_ns, upper_bound, flight);
  if (flight != nullptr && stack->frames.empty()) thread->flights.clear();
}

// What an exit says of the time that it tells.
ExitNote Processor::time_note(const Frame& frame, int64_t duration_ns) {
  ExitNote note;
  note.waited_ns = frame.waited_ns;
  note.preempted_ns = frame.preempted_ns;
  note.lost_calls = frame.lost_calls;
  note.not_running_ns = std::min(frame.delayed_ns, duration_ns);
  int64_t own_ns = std::max<int64_t>(duration_ns - frame.children_ns, 0);
  note.http_wait_ns = std::min(frame.requests.waited_ns, own_ns);
  return note;
}

// Nanoseconds of the `span` ticks up to that time, never negative.
int64_t Processor::span_until(uint64_t ticks, uint64_t span) const {
  return std::max<int64_t>(clock_->to_ns(ticks) - clock_->to_ns(ticks - std::min(span, ticks)), 0);
}

// Not the program's time: waiting for room in the thread's lane.
void Processor::wait(Thread* thread, uint64_t ticks, uint64_t waited) {
  int64_t now_ns = clock_->to_ns(ticks), ns = span_until(ticks, waited);
  thread->tree.waited(ns, now_ns);
  add_ns(&thread->waited_since_ns, ns);
  events_.facts().waits++;
  add_ns(&events_.facts().waited_ns, ns);
}

// Nor is the time in which another thread had its processor.
void Processor::preempt(Thread* thread, uint64_t ticks, uint64_t preempted) {
  int64_t now_ns = clock_->to_ns(ticks), ns = span_until(ticks, preempted);
  thread->tree.preempted(ns, now_ns);
  add_ns(&thread->waited_since_ns, ns);
  events_.facts().preemptions++;
  add_ns(&events_.facts().preempted_ns, ns);
}

void Processor::write_exit(Thread* thread, const FrameStack& stack, const Frame& frame,
                           ExitKind kind, int64_t end_ns, bool upper_bound, Flight* flight) {
  // Asked by itself: of most exits there is nothing to note.
  bool time_is_plain = frame.waited_ns == 0 && frame.preempted_ns == 0 && frame.lost_calls == 0 &&
                       frame.delayed_ns == 0 && frame.requests.waited_ns == 0;
  if (kind == ExitKind::kReturned && !upper_bound && flight == nullptr && time_is_plain) {
    return events_.exit(thread, frame, end_ns, nullptr, nullptr);
  }
  ExitNote note = time_note(frame, frame.duration_ns(end_ns));
  note.exit_kind = exit_name(kind);
  note.upper_bound = upper_bound;
  ErrorText death;
  ErrorInfo error;
  if (flight != nullptr) {
    note.exit_kind = exit_name(ExitKind::kUnwound);
    error = flight->error.info();
    if (flight->stacks_told++ >= kStacksTold) error.stack = {};
  } else if (kind == ExitKind::kKilled || kind == ExitKind::kUnknown ||
             kind == ExitKind::kProcessExit) {
    describe_death(thread, stack, frame, kind, &death);
    error = death.info();
  }
  events_.exit(thread, frame, end_ns, &note, error.type.empty() ? nullptr : &error);
}

void Processor::exit_without_entry(Thread*) {
  events_.losses().add(LossReason::kOrphanExit, 1);
}

// Told at most ten times a second, and at the end of the process.
void Processor::stack_forgotten(Thread* thread, uint64_t calls, uint64_t ticks) {
  events_.losses().add(LossReason::kStacks, calls);
  Process* process = thread->process;
  process->forgotten_untold += calls;
  if (clock_->to_ns(ticks) - process->forgotten_told_ns >= kLossEventNs) {
    tell_forgotten(process, ticks);
  }
}

void Processor::tell_forgotten(Process* process, uint64_t ticks) {
  if (process->forgotten_untold == 0) return;
  int64_t ns = clock_->to_ns(ticks);
  events_.tell_loss(process, nullptr, LossReason::kStacks, process->forgotten_untold, ns);
  process->forgotten_untold = 0;
  process->forgotten_told_ns = ns;
}

// Calls that a thread's lane had no room for: told by the exits of the calls that were open, and in
// the stream where they are missing, at most ten times a second.
void Processor::lose(Thread* thread, uint64_t calls, uint64_t ticks, bool now) {
  events_.losses().add(LossReason::kQueueFull, calls);
  thread->tree.lost(calls);
  thread->lost_untold += calls;
  if (thread->lost_untold == 0) return;
  int64_t ns = clock_->to_ns(ticks);
  if (!now && ns - static_cast<int64_t>(thread->last_loss_event_ns) < kLossEventNs) return;
  // A note in the trace, no child of the call that happens to be open.
  auto context = thread->tree.current();
  TraceId trace = context.has_value() && context->sampled ? context->trace : TraceId();
  events_.tell_loss(thread->process, thread, LossReason::kQueueFull, thread->lost_untold, ns,
                    trace);
  thread->lost_told += thread->lost_untold;
  thread->lost_untold = 0;
  thread->last_loss_event_ns = static_cast<uint64_t>(ns);
}

// Losses that belong to no thread that could be recorded.
void Processor::lose_in_segment(SegmentState* segment, LossReason reason, uint64_t calls,
                                uint64_t ticks) {
  events_.losses().add(reason, calls);
  if (segment->processes.empty()) return;
  Process* process = segment->processes.begin()->second.get();
  events_.tell_loss(process, nullptr, reason, calls, clock_->to_ns(ticks));
}

}  // namespace telinject::drain
