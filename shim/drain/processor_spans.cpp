// Spans: as events, into the sink, and into the totals.
#include <algorithm>

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

// Made when it is first needed: the language is read from the program's debug information.
const ProcessText& Processor::text_of(Process* process) {
  if (process->text.has_value()) return *process->text;
  ProcessFacts facts;
  facts.pid = process->pid;
  for (const auto& [id, segment] : segments_) {
    if (!segment.processes.contains(process->id)) continue;
    facts.executable = segment.info->path;
    facts.command_line = segment.info->command_line;
  }
  facts.language = "cpp";
  facts.runtime_version = "unknown";
  if (Module* program = process->code.main_module()) {
    Runtime runtime = program->runtime();
    facts.language = runtime.language;
    if (!runtime.version.empty()) facts.runtime_version = runtime.version;
  }
  process->text = make_process_text(options_.service, options_.host, facts, options_.sample_rate);
  facts_.processes++;
  return *process->text;
}

void Processor::span_opened(Thread* thread, const Frame& frame) {
  const ProcessText& text = text_of(thread->process);
  if (thread->held_main.has_value()) release_main(thread, 0);
  EventPlace place = {++*thread->process->sequence, frame.start_ns, frame.trace, frame.span_id,
                      frame.parent_span_id};
  encoder_.function_entry(place, frame.site->text, thread->attributes_json, text);
  facts_.spans++;
  facts_.events++;
}

void Processor::span_closed(Thread* thread, const Frame& frame, ExitKind kind, uint64_t end_ticks,
                            bool upper_bound) {
  Process* process = thread->process;
  const ProcessText& text = text_of(process);
  int64_t end_ns = std::max(clock_->to_ns(std::max(end_ticks, frame.ticks)), frame.start_ns);
  int64_t duration = end_ns - frame.start_ns;
  if (Frame* parent = thread->tree.frame_above()) parent->children_ns += duration;
  FunctionTotals* totals = frame.site->totals;
  totals->calls++;
  totals->self_ns += std::max<int64_t>(duration - frame.children_ns, 0);
  totals->total_ns += duration;
  totals->max_ns = std::max(totals->max_ns, duration);

  if (frame.site->is_main && kind == ExitKind::kReturned && !upper_bound &&
      thread->tid == process->pid && thread->tree.frame_above() == nullptr &&
      thread->flights.empty()) {
    hold_main(thread, frame, end_ns);
    return;
  }
  Flight* flight = nullptr;
  if (!thread->flights.empty()) flight = flight_that_left(thread, frame, kind, end_ns);
  EventPlace place = {++*process->sequence, end_ns, frame.trace, frame.span_id,
                      frame.parent_span_id};
  facts_.events++;
  if (kind == ExitKind::kReturned && !upper_bound && flight == nullptr) {
    encoder_.function_exit(place, duration, frame.site->text, thread->attributes_json, nullptr,
                           text);
    return;
  }
  ExitNote note;
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
    describe_death(thread, frame, kind, &death);
    note.error_stack = death.stack;
  }
  note.error_type = error->type;
  note.error_message = error->message;
  encoder_.function_exit(place, duration, frame.site->text, thread->attributes_json, &note, text);
  if (flight != nullptr && thread->tree.frame_above() == nullptr) thread->flights.clear();
}

void Processor::exit_without_entry(Thread*) {
  losses_.add(LossReason::kOrphanExit, 1);
}

// Calls that a thread's lane had no room for: told in the stream where they are missing, at most
// ten times a second.
void Processor::lose(Thread* thread, uint64_t calls, uint64_t ticks, bool now) {
  losses_.add(LossReason::kQueueFull, calls);
  thread->lost_untold += calls;
  if (thread->lost_untold == 0) return;
  int64_t ns = clock_->to_ns(ticks);
  if (!now && ns - static_cast<int64_t>(thread->last_loss_event_ns) < kLossEventNs) return;
  Process* process = thread->process;
  for (auto& [id, segment] : segments_) {
    if (!segment.processes.contains(process->id)) continue;
    SegmentKey key = segment.info->key;
    uint64_t note = ++segment.notes;
    auto context = thread->tree.current();
    EventPlace place = {++*process->sequence, ns, trace_id(key, kNoteLane, note),
                        span_id(key, kNoteLane, note << 4), 0};
    // A note in the trace, no child of the call that happens to be open.
    if (context.has_value()) place.trace = context->trace;
    encoder_.loss(place, loss_reason_name(LossReason::kQueueFull), thread->lost_untold,
                  thread->attributes_json, text_of(process));
    facts_.events++;
  }
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
  SegmentKey key = segment->info->key;
  uint64_t note = ++segment->notes;
  EventPlace place = {++*process->sequence, clock_->to_ns(ticks), trace_id(key, kNoteLane, note),
                      span_id(key, kNoteLane, note << 4), 0};
  encoder_.loss(place, loss_reason_name(reason), calls, {}, text_of(process));
  facts_.events++;
}

void Processor::flush() {
  if (lines_.size() == 0) return;
  if (uint64_t lost = sink_->write(lines_.text())) {
    if (losses_.count(LossReason::kSinkError) == 0 && !sink_->hopeless()) {
      complain("cannot write events to ", sink_->describe(), "; those that do not fit are counted ",
               "and left out");
    }
    losses_.add(LossReason::kSinkError, lost);
  }
  lines_.clear();
}

void Processor::flush_if_large() {
  if (lines_.size() >= kFlushBytes) flush();
}

}  // namespace telinject
