#include "shim/drain/spans/event_writer.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/naming/sites.h"
#include "shim/drain/spans/archive.h"

namespace telinject::drain {

static_assert(is_as_known<sizeof(SummaryFacts), 344>());

class EventWriter::NotePlaces final : public EventOutput::Places {
 public:
  NotePlaces(EventWriter* writer, Process* process) : writer_(writer), process_(process) {}
  EventPlace note(int64_t timestamp_ns) override {
    writer_->count_event();
    return writer_->note_place(process_, timestamp_ns);
  }
  std::shared_ptr<uint64_t> sequence() override { return process_->sequence; }

 private:
  EventWriter* writer_;
  Process* process_;
};

EventWriter::EventWriter(EventOutputs outputs, Options options, BatchQueue* queue,
                         const std::atomic<bool>* stopping)
    : outputs_(std::move(outputs)),
      options_(std::move(options)),
      queue_(queue),
      stopping_(stopping) {
  facts_.sample_rate = options_.sample_rate;
  for (auto& output : outputs_) {
    if (output->takes_events()) takers_.push_back(output.get());
    if (output->numbers()) numbers_ = false;
  }
}

void EventWriter::expect_events() {
  if (options_.finder != nullptr) options_.finder->start();
}

std::shared_ptr<uint64_t> EventWriter::sequence_of(const SegmentState& segment, int os_pid,
                                                   int pid_there) {
  ProcessKey key = {0, os_pid};
  if (os_pid == 0 || segment.info->pid != segment.os_pid) {
    key = {segment.info->pid_namespace, pid_there};
  }
  if (first_pid_ == 0) first_pid_ = pid_there;
  std::shared_ptr<uint64_t>& sequence = sequences_[key];
  if (sequence == nullptr) sequence = std::make_shared<uint64_t>(0);
  return sequence;
}

// In another PID namespace the end of a process is not seen. Its numbers go on as long as a segment
// is there in which that may have executed a program.
void EventWriter::drop_sequences(const SegmentState& segment) {
  if (segment.info == nullptr || segment.info->pid_namespace == 0) return;
  for (auto& [id, process] : segment.processes) {
    auto found = sequences_.find({segment.info->pid_namespace, process->pid});
    constexpr long kItAndTheProcess = 2;
    if (found != sequences_.end() && found->second.use_count() == kItAndTheProcess) {
      sequences_.erase(found);
    }
  }
}

// Events wait for the metadata, so that all of a process carry the same: until it is found, until
// its time is over, or until the queue has taken as much besides as it may. Nothing is lost by it.
// Usually it came while the program's own file was read.
const Metadata& EventWriter::metadata() {
  constexpr std::chrono::milliseconds kPatience{20};
  if (options_.finder == nullptr || metadata_found_) return options_.metadata;
  options_.finder->start();
  queue_->hold();
  bool over = options_.finder->wait(std::chrono::milliseconds(0));
  while (!over && !stopping_->load(std::memory_order_relaxed) && !queue_->held_enough()) {
    over = options_.finder->wait(kPatience);
  }
  queue_->go_on();
  options_.metadata = options_.finder->current();
  metadata_found_ = over;
  return options_.metadata;
}

// The language is read from the program's debug information.
void EventWriter::find_facts(Process* process) {
  ProcessInfo& info = process->info;
  info.pid = process->pid;
  info.sample_rate = options_.sample_rate;
  info.key = process->segment->info->key;
  info.executable = process->segment->info->path;
  info.command_line = process->segment->info->command_line;
  info.language = "cpp";
  info.runtime_version = "unknown";
  if (Module* program = process->code.main_module()) {
    Runtime runtime = program->runtime();
    info.language = runtime.language;
    if (!runtime.version.empty()) info.runtime_version = runtime.version;
  }
  info.build_id = absl::BytesToHexString(process->code.main_build_id());
}

void EventWriter::introduce_now(Process* process, int64_t ns) {
  process->introduced = true;
  if (free_numbers_.empty()) {
    process->info.number = next_number_++;
  } else {
    process->info.number = free_numbers_.back();
    free_numbers_.pop_back();
  }
  find_facts(process);
  const Metadata& found = metadata();
  NotePlaces places(this, process);
  for (auto& output : outputs_) output->introduce(process->info, found, ns, &places);
  count_process(process);
}

void EventWriter::introduce_now(const Site& site, Process* process, int64_t ns) {
  site.introduced = true;
  NotePlaces places(this, process);
  for (auto& output : outputs_) output->introduce(site.function, process->info, ns, &places);
}

void EventWriter::forget(Process* process) {
  if (!process->introduced) return;
  process->introduced = false;
  for (auto& output : outputs_) output->forget(process->info);
  free_numbers_.push_back(process->info.number);
}

void EventWriter::forget(const Site& site) {
  for (auto& output : outputs_) output->forget(site.function);
}

void EventWriter::count_process(Process* process) {
  if (process->counted) return;
  process->counted = true;
  facts_.processes++;
}

EventPlace EventWriter::next_place(Process* process, int64_t ns, TraceId trace, uint64_t span,
                                   uint64_t parent) {
  count_event();
  return {number(process), ns, trace, span, parent};
}

// Time and ids of an event that is no span of the program: nothing hangs below it, and it hangs
// below nothing.
EventPlace EventWriter::note_place(Process* process, int64_t ns) {
  SegmentState* segment = process->segment;
  uint64_t note = ++segment->notes;
  return {number(process), ns, trace_id(segment->info->key, kNoteLane, note),
          span_id(segment->info->key, kNoteLane, note << 4), 0};
}

void EventWriter::entry(Thread* thread, const Frame& frame, bool outermost) {
  Process* process = thread->process;
  introduce(process, frame.start_ns);
  if (!frame.site->introduced) introduce_now(*frame.site, process, frame.start_ns);
  SpanStart event;
  event.place =
      next_place(process, frame.start_ns, frame.trace, frame.span_id, frame.parent_span_id);
  event.process = &process->info;
  event.thread = &thread->info;
  event.function = &frame.site->function;
  event.outermost = outermost;
  for (EventOutput* output : takers_) output->start(event);
  facts_.spans++;
}

void EventWriter::exit(Thread* thread, const Frame& frame, int64_t end_ns, const ExitNote* note,
                       const ErrorInfo* error) {
  Process* process = thread->process;
  introduce(process, end_ns);
  SpanEnd event;
  event.place = next_place(process, end_ns, frame.trace, frame.span_id, frame.parent_span_id);
  event.process = &process->info;
  event.thread = &thread->info;
  event.function = &frame.site->function;
  event.start_ns = frame.start_ns;
  event.duration_ns = frame.duration_ns(end_ns);
  event.severity = error != nullptr ? Severity::kError : Severity::kInfo;
  event.note = note;
  event.error = error;
  for (EventOutput* output : takers_) output->end(event);
}

void EventWriter::start(Process* process, const OperationSpan& span, const Operation& operation) {
  introduce(process, span.start_ns);
  SpanStart event;
  event.place = next_place(process, span.start_ns, span.trace, span.id, span.parent);
  event.process = &process->info;
  event.thread = &span.thread;
  event.function = span.function;
  event.operation = &operation;
  for (EventOutput* output : takers_) output->start(event);
}

void EventWriter::end(Process* process, const OperationSpan& span, int64_t end_ns,
                      const Operation& operation, Severity severity, const ErrorInfo* error) {
  introduce(process, end_ns);
  SpanEnd event;
  event.place = next_place(process, end_ns, span.trace, span.id, span.parent);
  event.process = &process->info;
  event.thread = &span.thread;
  event.function = span.function;
  event.operation = &operation;
  event.start_ns = span.start_ns;
  event.duration_ns = end_ns - span.start_ns;
  event.severity = severity;
  event.error = error;
  for (EventOutput* output : takers_) output->end(event);
}

void EventWriter::note(Process* process, PointEvent* event) {
  introduce(process, event->place.timestamp_ns);
  event->process = &process->info;
  event->place.sequence = number(process);
  count_event();
  for (EventOutput* output : takers_) output->note(*event);
}

void EventWriter::tell_loss(Process* process, const Thread* thread, LossReason reason,
                            uint64_t calls, int64_t ns, TraceId trace) {
  introduce(process, ns);
  std::string_view name = loss_reason_name(reason);
  bool http = reason == LossReason::kHttpUnparsed;
  bool known = calls != Losses::kUnknown;
  std::string message = absl::StrCat(
      known ? absl::StrCat(calls) : "an unknown number of", http ? " HTTP exchange" : " call",
      calls == 1 ? " was" : "s were", " not recorded (", std::string(name), ")");
  const Attribute attributes[] = {{"telinject.loss_reason", name}, {"telinject.lost_calls", calls}};
  PointEvent event;
  event.place = note_place(process, ns);
  if (trace.hi != 0 || trace.lo != 0) event.place.trace = trace;
  event.kind = PointKind::kLoss;
  event.process = &process->info;
  event.thread = thread != nullptr ? &thread->info : nullptr;
  event.message = message;
  event.attributes = std::span(attributes).first(known ? 2 : 1);
  for (EventOutput* output : takers_) output->note(event);
  count_event();
}

void EventWriter::pass_on() {
  for (auto& output : outputs_) output->pass_on();
  count_lost();
}

void EventWriter::flush() {
  for (auto& output : outputs_) output->flush();
  count_lost();
}

void EventWriter::hurry() {
  for (auto& output : outputs_) output->hurry();
}

void EventWriter::conclude() {
  for (auto& output : outputs_) output->conclude();
}

std::optional<Notice::Dumped> EventWriter::dump() {
  count_lost();
  uint64_t lost_before = lost_in_sink_;
  for (auto& output : outputs_) {
    std::optional<uint64_t> events = output->dump();
    if (!events.has_value()) continue;
    count_lost();
    uint64_t lost = output->hopeless() ? *events : lost_in_sink_ - lost_before;
    return Notice::Dumped{*events, lost, describe_destinations()};
  }
  return std::nullopt;
}

std::string EventWriter::describe_destinations() const {
  std::string text;
  for (const EventOutput* output : takers_) {
    for (const EventOutput* destination : output->destinations()) {
      absl::StrAppend(&text, text.empty() ? "" : ", ", destination->describe());
    }
  }
  return text;
}

std::chrono::steady_clock::time_point EventWriter::totals_due() const {
  auto due = std::chrono::steady_clock::time_point::max();
  for (const auto& output : outputs_) due = std::min(due, output->totals_due());
  return due;
}

void EventWriter::tell_totals(const TotalsSource& totals) {
  for (auto& output : outputs_) output->take_totals(totals);
}

uint64_t EventWriter::left_out_spans() const {
  uint64_t spans = 0;
  for (const auto& output : outputs_) spans += output->left_out_spans();
  return spans;
}

void EventWriter::count_lost() {
  for (auto& output : outputs_) {
    facts_.events += output->take_numbered();
    uint64_t lost = output->take_lost();
    if (lost == 0) continue;
    if (lost_in_sink_ == 0 && !output->hopeless() && !output->tells_losses()) {
      warn("cannot write events to ", output->describe(),
           "; those that do not fit are counted and left out");
    }
    lost_in_sink_ += lost;
    // With several outputs, what one has lost another one has.
    if (takers_.size() == 1 && takers_.front()->destinations().size() == 1) {
      facts_.events -= std::min(facts_.events, lost);
    }
    losses_.add(LossReason::kSinkError, lost);
  }
}

void EventWriter::count_bytes() {
  facts_.bytes = facts_.bytes_before;
  facts_.destinations.clear();
  for (auto& output : outputs_) {
    facts_.events += output->take_numbered();
    if (output->numbers()) facts_.kept = output->account();
    for (const EventOutput* destination : output->destinations()) {
      uint64_t bytes = destination->bytes_written();
      facts_.bytes += bytes;
      facts_.destinations.push_back({destination->describe(), bytes, destination->outcome()});
    }
  }
}

std::vector<std::string> EventWriter::save_outputs() const {
  std::vector<std::string> states;
  for (const auto& output : outputs_) {
    states.push_back(absl::StrCat(std::string(output->kind()), "\n", output->save()));
  }
  return states;
}

bool EventWriter::restore_outputs(const std::vector<std::string>& states,
                                  const std::vector<Process*>& processes) {
  // So many have been told of at the same time, at most.
  constexpr uint32_t kMostNumbers = 1 << 22;
  std::vector<const ProcessInfo*> known;
  std::set<uint32_t> numbers;
  for (Process* process : processes) {
    process->introduced = process->introduced && numbers_;
    if (!process->introduced) continue;
    known.push_back(&process->info);
    uint32_t number = process->info.number;
    if (number >= kMostNumbers || !numbers.insert(number).second) return false;
  }
  next_number_ = numbers.empty() ? 0 : *numbers.rbegin() + 1;
  for (uint32_t number = 0; number < next_number_; number++) {
    if (!numbers.contains(number)) free_numbers_.push_back(number);
  }
  // The events may go elsewhere now: each output takes the state of one of its kind.
  return std::all_of(outputs_.begin(), outputs_.end(), [&](const auto& output) {
    std::string start = absl::StrCat(std::string(output->kind()), "\n");
    auto found = std::find_if(states.begin(), states.end(),
                              [&](const auto& state) { return state.starts_with(start); });
    if (found == states.end() && !output->takes_events()) return true;  // it starts anew
    return found != states.end() &&
           output->restore(std::string_view(*found).substr(start.size()), known);
  });
}

}  // namespace telinject::drain
