// Spans: as events, into the sink, and into the totals.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "shim/drain/complain.h"
#include "shim/drain/processor.h"

namespace telinject {

namespace {

constexpr size_t kFlushBytes = 1 << 20;
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

SegmentState* Processor::segment_of(const Process& process) {
  for (auto& [id, segment] : segments_) {
    if (segment.processes.contains(process.id)) return &segment;
  }
  return nullptr;
}

// Time and ids of an event that is no span of the program: nothing hangs below it, and it hangs
// below nothing.
EventPlace Processor::note_place(Process* process, int64_t ns) {
  EventPlace place = {++*process->sequence, ns, {}, 0, 0};
  if (SegmentState* segment = segment_of(*process)) {
    uint64_t note = ++segment->notes;
    place.trace = trace_id(segment->info->key, kNoteLane, note);
    place.span_id = span_id(segment->info->key, kNoteLane, note << 4);
  }
  return place;
}

// Events wait for the metadata, so that all of a process carry the same: until it is found, until
// its time is over, or until the queue has taken as much besides as it may. Nothing is lost by it.
// Usually it came while the program's own file was read.
const Metadata& Processor::metadata() {
  constexpr std::chrono::milliseconds kPatience{20};
  if (options_.finder == nullptr || metadata_found_) return options_.metadata;
  options_.finder->start();
  queue_->hold();
  bool over = options_.finder->wait(std::chrono::milliseconds(0));
  while (!over && !stopping_.load(std::memory_order_relaxed) && !queue_->held_enough()) {
    over = options_.finder->wait(kPatience);
  }
  queue_->go_on();
  options_.metadata = options_.finder->current();
  metadata_found_ = over;
  return options_.metadata;
}

// Made when it is first needed, before the event that needs it has a number: the language is read
// from the program's debug information. `ns` is that event's time.
const ProcessText& Processor::text_of(Process* process, int64_t ns) {
  if (process->text != nullptr) return *process->text;
  ProcessFacts facts;
  facts.pid = process->pid;
  if (const SegmentState* segment = segment_of(*process)) {
    facts.executable = segment->info->path;
    facts.command_line = segment->info->command_line;
  }
  facts.language = "cpp";
  facts.runtime_version = "unknown";
  if (Module* program = process->code.main_module()) {
    Runtime runtime = program->runtime();
    facts.language = runtime.language;
    if (!runtime.version.empty()) facts.runtime_version = runtime.version;
  }
  facts.build_id = absl::BytesToHexString(process->code.main_build_id());
  ProcessText text = make_process_text(metadata(), facts, options_.sample_rate);
  if (options_.lean) {
    EventPlace place = note_place(process, ns);
    encoder_.telemetry_process(place, text);
    text = make_lean_process_text(place.span_id);
    facts_.events++;
  }
  process->text = std::make_shared<ProcessText>(std::move(text));
  count_process(process);
  return *process->text;
}

// Lean detail: before the first event of a function that is called from one place.
void Processor::tell_function(Process* process, const FunctionText& function, int64_t ns) {
  const ProcessText& text = text_of(process, ns);
  EventPlace place = note_place(process, ns);
  encoder_.telemetry_function(place, function, text);
  function.reference = place.span_id;
  facts_.events++;
}

void Processor::count_process(Process* process) {
  if (process->counted) return;
  process->counted = true;
  facts_.processes++;
}

void Processor::span_opened(Thread* thread, const Frame& frame) {
  if (thread->held_main.has_value()) release_main(thread, 0);
  if (filtering_ || !frame.sampled) {
    decide_at_entry(thread, thread->tree.stack());
  } else {
    write_entry(thread, frame);
  }
}

void Processor::write_entry(Thread* thread, const Frame& frame) {
  const ProcessText& text = text_of(thread->process, frame.start_ns);
  if (options_.lean && frame.site->text.reference == 0) {
    tell_function(thread->process, frame.site->text, frame.start_ns);
  }
  EventPlace place = {++*thread->process->sequence, frame.start_ns, frame.trace, frame.span_id,
                      frame.parent_span_id};
  if (pool_ == nullptr) {
    encoder_.function_entry(place, frame.site->text, thread->attributes_json, text);
  } else {
    pool_lines();
    pool_->function_entry(place, frame.site->text, thread->attributes_json, thread->process->text);
  }
  facts_.spans++;
  facts_.events++;
}

void Processor::span_closed(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                            uint64_t end_ticks, bool upper_bound) {
  int64_t end_ns = std::max(clock_->to_ns(std::max(end_ticks, frame.ticks)), frame.start_ns);
  if (frame.requests.open > 0) {
    Frame answered = frame;
    answered.requests.end_all(end_ns, frame.children_ns);
    return span_closed(thread, stack, answered, kind, end_ticks, upper_bound);
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
      hold_main(thread, frame, end_ns);
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
  note.http_ns = std::min(frame.requests.waited_ns, duration_ns);
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
  facts_.waits++;
  add_ns(&facts_.waited_ns, ns);
}

// Nor is the time in which another thread had its processor.
void Processor::preempt(Thread* thread, uint64_t ticks, uint64_t preempted) {
  int64_t now_ns = clock_->to_ns(ticks), ns = span_until(ticks, preempted);
  thread->tree.preempted(ns, now_ns);
  add_ns(&thread->waited_since_ns, ns);
  facts_.preemptions++;
  add_ns(&facts_.preempted_ns, ns);
}

void Processor::write_exit(Thread* thread, const FrameStack& stack, const Frame& frame,
                           ExitKind kind, int64_t end_ns, bool upper_bound, Flight* flight) {
  Process* process = thread->process;
  const ProcessText& text = text_of(process, end_ns);
  int64_t duration = frame.duration_ns(end_ns);
  EventPlace place = {++*process->sequence, end_ns, frame.trace, frame.span_id,
                      frame.parent_span_id};
  facts_.events++;
  // Asked by itself: of most exits there is nothing to note.
  bool time_is_plain = frame.waited_ns == 0 && frame.preempted_ns == 0 && frame.lost_calls == 0 &&
                       frame.delayed_ns == 0 && frame.requests.waited_ns == 0;
  if (kind == ExitKind::kReturned && !upper_bound && flight == nullptr && time_is_plain) {
    if (pool_ == nullptr) {
      encoder_.function_exit(place, duration, frame.site->text, thread->attributes_json, nullptr,
                             text);
    } else {
      pool_lines();
      pool_->function_exit(place, duration, frame.site->text, thread->attributes_json,
                           process->text);
    }
    return;
  }
  ExitNote note = time_note(frame, duration);
  note.exit_kind = exit_name(kind);
  note.upper_bound = upper_bound;
  ErrorText death;
  const ErrorText* error = &death;
  if (flight != nullptr) {
    note.exit_kind = exit_name(ExitKind::kUnwound);
    error = &flight->error;
    if (flight->stacks_told++ < kStacksTold) note.error_stack = error->stack;
  } else if (kind == ExitKind::kKilled || kind == ExitKind::kUnknown ||
             kind == ExitKind::kProcessExit) {
    describe_death(thread, stack, frame, kind, &death);
    note.error_stack = death.stack;
  }
  note.error_type = error->type;
  note.error_message = error->message;
  encoder_.function_exit(place, duration, frame.site->text, thread->attributes_json, &note, text);
}

void Processor::write_span(Process* process, const HttpSpan& span, int64_t ns,
                           const SpanEvent& event) {
  const ProcessText& text = text_of(process, ns);
  EventPlace place = {++*process->sequence, ns, span.trace, span.id, span.parent};
  encoder_.span_event(place, event, span.thread, text);
  facts_.events++;
}

void Processor::exit_without_entry(Thread*) {
  losses_.add(LossReason::kOrphanExit, 1);
}

// Told at most ten times a second, and at the end of the process.
void Processor::stack_forgotten(Thread* thread, uint64_t calls, uint64_t ticks) {
  losses_.add(LossReason::kStacks, calls);
  Process* process = thread->process;
  process->forgotten_untold += calls;
  if (clock_->to_ns(ticks) - process->forgotten_told_ns >= kLossEventNs) {
    tell_forgotten(process, ticks);
  }
}

void Processor::tell_forgotten(Process* process, uint64_t ticks) {
  if (process->forgotten_untold == 0) return;
  int64_t ns = clock_->to_ns(ticks);
  const ProcessText& text = text_of(process, ns);
  encoder_.loss(note_place(process, ns), loss_reason_name(LossReason::kStacks),
                process->forgotten_untold, {}, text);
  facts_.events++;
  process->forgotten_untold = 0;
  process->forgotten_told_ns = ns;
}

// Calls that a thread's lane had no room for: told by the exits of the calls that were open, and in
// the stream where they are missing, at most ten times a second.
void Processor::lose(Thread* thread, uint64_t calls, uint64_t ticks, bool now) {
  losses_.add(LossReason::kQueueFull, calls);
  thread->tree.lost(calls);
  thread->lost_untold += calls;
  if (thread->lost_untold == 0) return;
  int64_t ns = clock_->to_ns(ticks);
  if (!now && ns - static_cast<int64_t>(thread->last_loss_event_ns) < kLossEventNs) return;
  Process* process = thread->process;
  const ProcessText& text = text_of(process, ns);
  EventPlace place = note_place(process, ns);
  // A note in the trace, no child of the call that happens to be open.
  auto context = thread->tree.current();
  if (context.has_value() && context->sampled) place.trace = context->trace;
  encoder_.loss(place, loss_reason_name(LossReason::kQueueFull), thread->lost_untold,
                thread->attributes_json, text);
  facts_.events++;
  thread->lost_told += thread->lost_untold;
  thread->lost_untold = 0;
  thread->last_loss_event_ns = static_cast<uint64_t>(ns);
}

// Losses that belong to no thread that could be recorded.
void Processor::lose_in_segment(SegmentState* segment, LossReason reason, uint64_t calls,
                                uint64_t ticks) {
  losses_.add(reason, calls);
  if (segment->processes.empty()) return;
  Process* process = segment->processes.begin()->second.get();
  int64_t ns = clock_->to_ns(ticks);
  const ProcessText& text = text_of(process, ns);
  encoder_.loss(note_place(process, ns), loss_reason_name(reason), calls, {}, text);
  facts_.events++;
}

void Processor::lose_in_sink(uint64_t lines) {
  if (lines == 0) return;
  if (lost_in_sink_ == 0 && !sink_->hopeless()) {
    complain("cannot write events to ", sink_->describe(), "; those that do not fit are counted ",
             "and left out");
  }
  lost_in_sink_ += lines;
  facts_.events -= std::min(facts_.events, lines);
  losses_.add(LossReason::kSinkError, lines);
}

void Processor::pass_on() {
  if (pool_ != nullptr) {
    pool_lines();
    pool_->flush();
  } else if (lines_.size() != 0) {
    lose_in_sink(sink_->write(lines_.text()));
    lines_.clear();
  }
}

// What was encoded here comes before what the pool is given from now on.
void Processor::pool_lines() {
  if (lines_.size() == 0) return;
  pool_->lines(lines_.text());
  lines_.clear();
}

void Processor::flush() {
  pass_on();
  lose_in_sink(sink_->flush());
}

void Processor::pass_on_if_large() {
  if (lines_.size() < kFlushBytes) return;
  if (pool_ == nullptr) {
    pass_on();
  } else {
    pool_lines();
  }
}

}  // namespace telinject
