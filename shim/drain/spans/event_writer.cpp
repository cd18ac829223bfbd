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
#include "shim/events/redact_arguments.h"

namespace telinject::drain {

static_assert(is_as_known<sizeof(SummaryFacts), 296>());

class EventWriter::NotePlaces final : public EventOutput::Places {
 public:
  NotePlaces(EventWriter* writer, Process* process) : writer_(writer), process_(process) {}
  EventPlace note(int64_t timestamp_ns) override {
    writer_->facts_.events++;
    return writer_->note_place(process_, timestamp_ns);
  }

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
  for (const auto& output : outputs_) {
    if (!facts_.destination.empty()) facts_.destination += ", ";
    facts_.destination += output->describe();
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
  info.executable = process->segment->info->path;
  info.command_line = redact_joined_arguments(process->segment->info->command_line);
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

void EventWriter::count_process(Process* process) {
  if (process->counted) return;
  process->counted = true;
  facts_.processes++;
}

EventPlace EventWriter::next_place(Process* process, int64_t ns, TraceId trace, uint64_t span,
                                   uint64_t parent) {
  facts_.events++;
  return {++*process->sequence, ns, trace, span, parent};
}

// Time and ids of an event that is no span of the program: nothing hangs below it, and it hangs
// below nothing.
EventPlace EventWriter::note_place(Process* process, int64_t ns) {
  SegmentState* segment = process->segment;
  uint64_t note = ++segment->notes;
  return {++*process->sequence, ns, trace_id(segment->info->key, kNoteLane, note),
          span_id(segment->info->key, kNoteLane, note << 4), 0};
}

void EventWriter::entry(Thread* thread, const Frame& frame) {
  Process* process = thread->process;
  introduce(process, frame.start_ns);
  if (!frame.site->introduced) introduce_now(*frame.site, process, frame.start_ns);
  SpanStart event;
  event.place =
      next_place(process, frame.start_ns, frame.trace, frame.span_id, frame.parent_span_id);
  event.process = &process->info;
  event.thread = &thread->info;
  event.function = &frame.site->function;
  for (auto& output : outputs_) output->start(event);
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
  event.duration_ns = frame.duration_ns(end_ns);
  event.severity = error != nullptr ? Severity::kError : Severity::kInfo;
  event.note = note;
  event.error = error;
  for (auto& output : outputs_) output->end(event);
}

void EventWriter::start(Process* process, const OperationSpan& span, const Operation& operation) {
  introduce(process, span.start_ns);
  SpanStart event;
  event.place = next_place(process, span.start_ns, span.trace, span.id, span.parent);
  event.process = &process->info;
  event.thread = &span.thread;
  event.function = span.function;
  event.operation = &operation;
  for (auto& output : outputs_) output->start(event);
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
  event.duration_ns = end_ns - span.start_ns;
  event.severity = severity;
  event.error = error;
  for (auto& output : outputs_) output->end(event);
}

void EventWriter::note(Process* process, PointEvent* event) {
  introduce(process, event->place.timestamp_ns);
  event->process = &process->info;
  event->place.sequence = ++*process->sequence;
  facts_.events++;
  for (auto& output : outputs_) output->note(*event);
}

void EventWriter::tell_loss(Process* process, const Thread* thread, LossReason reason,
                            uint64_t calls, int64_t ns, TraceId trace) {
  introduce(process, ns);
  std::string_view name = loss_reason_name(reason);
  std::string message =
      absl::StrCat(calls, calls == 1 ? " call was not recorded (" : " calls were not recorded (",
                   std::string(name), ")");
  const Attribute attributes[] = {{"telinject.loss_reason", name}, {"telinject.lost_calls", calls}};
  PointEvent event;
  event.place = note_place(process, ns);
  if (trace.hi != 0 || trace.lo != 0) event.place.trace = trace;
  event.kind = PointKind::kLoss;
  event.process = &process->info;
  event.thread = thread != nullptr ? &thread->info : nullptr;
  event.message = message;
  event.attributes = attributes;
  for (auto& output : outputs_) output->note(event);
  facts_.events++;
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

void EventWriter::count_lost() {
  for (auto& output : outputs_) {
    uint64_t lost = output->take_lost();
    if (lost == 0) continue;
    if (lost_in_sink_ == 0 && !output->hopeless()) {
      warn("cannot write events to ", output->describe(),
           "; those that do not fit are counted and left out");
    }
    lost_in_sink_ += lost;
    facts_.events -= std::min(facts_.events, lost);
    losses_.add(LossReason::kSinkError, lost);
  }
}

void EventWriter::count_bytes() {
  facts_.bytes = facts_.bytes_before;
  for (auto& output : outputs_) facts_.bytes += output->bytes_written();
}

std::vector<std::string> EventWriter::save_outputs() const {
  std::vector<std::string> states;
  for (const auto& output : outputs_) states.push_back(output->save());
  return states;
}

bool EventWriter::restore_outputs(const std::vector<std::string>& states,
                                  const std::vector<Process*>& processes) {
  // So many have been told of at the same time, at most.
  constexpr uint32_t kMostNumbers = 1 << 22;
  std::vector<const ProcessInfo*> known;
  std::set<uint32_t> numbers;
  for (const Process* process : processes) {
    if (!process->introduced) continue;
    known.push_back(&process->info);
    uint32_t number = process->info.number;
    if (number >= kMostNumbers || !numbers.insert(number).second) return false;
  }
  next_number_ = numbers.empty() ? 0 : *numbers.rbegin() + 1;
  for (uint32_t number = 0; number < next_number_; number++) {
    if (!numbers.contains(number)) free_numbers_.push_back(number);
  }
  if (states.size() != outputs_.size()) return false;
  for (size_t i = 0; i < states.size(); i++) {
    if (!outputs_[i]->restore(states[i], known)) return false;
  }
  return true;
}

}  // namespace telinject::drain
