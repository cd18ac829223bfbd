#include "shim/drain/spans/call_spans.h"

#include <algorithm>

#include "shim/drain/naming/function_totals.h"
#include "shim/drain/naming/sites.h"
#include "shim/drain/spans/exit_note.h"

namespace telinject::drain {

namespace {

bool ends_with_process(ExitKind kind) {
  return kind == ExitKind::kKilled || kind == ExitKind::kUnknown || kind == ExitKind::kProcessExit;
}

}  // namespace

void CallSpans::span_opened(Thread* thread, const Frame& frame) {
  exit_errors_->emit_main(thread, 0);
  emitter_->opened(thread, frame);
}

void CallSpans::span_closed(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                            uint64_t end_ticks, bool upper_bound) {
  int64_t end_ns = std::max(clock_->to_ns(std::max(end_ticks, frame.ticks)), frame.start_ns);
  bool fits = frame.preempted_ns == 0 ||
              frame.preempted_ns <= end_ns - frame.start_ns - std::max<int64_t>(frame.waited_ns, 0);
  if (frame.requests.open == 0 && fits) {
    return close({thread, stack, frame, kind, end_ns, upper_bound});
  }
  Frame ended = frame;
  ended.fit(end_ns);
  ended.requests.end_all(end_ns, ended.not_own_ns());
  close({thread, stack, ended, kind, end_ns, upper_bound});
}

void CallSpans::close(const Closed& closed) {
  const auto& [thread, stack, frame, kind, end_ns, upper_bound] = closed;
  int64_t duration_ns = frame.duration_ns(end_ns);
  count(closed, duration_ns);
  bool emitted = emitter_->closed(thread, stack, frame, kind, duration_ns);
  if (thread->errors.flights.empty()) {
    count_error(closed, nullptr);
    if (!emitted) return;
    if (ExitErrors::returns_from_main(*thread, *stack, frame, kind, upper_bound)) {
      return ExitErrors::defer_main(thread, frame, end_ns);
    }
    return emit_end(closed, nullptr);
  }
  Flight* flight = exceptions_->flight_that_left(thread, stack, frame, kind, end_ns);
  count_error(closed, flight);
  if (emitted) emit_end(closed, flight);
  if (flight != nullptr && stack->frames.empty()) thread->errors.flights.clear();
}

void CallSpans::count(const Closed& closed, int64_t duration_ns) {
  const Frame& frame = closed.frame;
  auto& outer = closed.stack->frames;
  if (!outer.empty()) add_ns(&outer.back().children_ns, duration_ns);
  frame.site->totals->add(duration_ns, frame.children_ns, frame.requests.waited_ns);
  frame.site->totals->lost_calls += frame.lost_own_calls;
}

// Not the process's exit status: that is no function's.
void CallSpans::count_error(const Closed& closed, const Flight* flight) {
  bool dies = closed.kind == ExitKind::kKilled || closed.kind == ExitKind::kUnknown;
  if (flight == nullptr && !dies) [[likely]]
    return;
  std::string type =
      flight != nullptr ? flight->error.type : ExitErrors::death_of(*closed.thread->process);
  // pthread_exit is none.
  if (!type.empty()) closed.frame.site->totals->add_error(type);
}

void CallSpans::emit_end(const Closed& closed, Flight* flight) {
  bool plain = closed.kind == ExitKind::kReturned && !closed.upper_bound && flight == nullptr &&
               time_is_plain(closed.frame);
  if (plain) return events_->exit(closed.thread, closed.frame, closed.end_ns, nullptr, nullptr);
  emit_end_with_note(closed, flight);
}

void CallSpans::emit_end_with_note(const Closed& closed, Flight* flight) {
  const auto& [thread, stack, frame, kind, end_ns, upper_bound] = closed;
  ExitNote note = time_note(frame, frame.duration_ns(end_ns));
  note.exit_kind = exit_kind_name(flight != nullptr ? ExitKind::kUnwound : kind);
  note.upper_bound = upper_bound;
  ErrorText death;
  ErrorInfo error;
  if (flight != nullptr) {
    error = flight->error.info();
    if (flight->stacks_told++ >= kStacksTold) error.stack = {};
  } else if (ends_with_process(kind)) {
    death = exit_errors_->error_of(thread, *stack, frame, kind);
    error = death.info();
  }
  events_->exit(thread, frame, end_ns, &note, error.type.empty() ? nullptr : &error);
}

// A coroutine's frames belong to no thread; any will do to write them.
void CallSpans::close_coroutines(Process* process, ExitKind kind, uint64_t ticks) {
  if (process->threads.empty()) return;
  Thread* writer = process->threads.front().get();
  process->stacks.each([&](FrameStack& stack) {
    while (!stack.frames.empty()) {
      Frame frame = stack.pop();
      span_closed(writer, &stack, frame, kind, ticks, false);
    }
  });
}

}  // namespace telinject::drain
