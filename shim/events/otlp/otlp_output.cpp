#include "shim/events/otlp/otlp_output.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "shim/channel/settings.h"
#include "shim/events/otlp/log_encoder.h"
#include "shim/events/otlp/resource.h"

namespace telinject::otlp {

namespace {

constexpr size_t kMostKeys = 4096;
constexpr size_t kMostForeign = 4096;

uint64_t short_id(TraceId trace) {
  return trace.hi ^ trace.lo;
}

// W3C trace context: printable ASCII, 512 characters have to be passed on.
bool is_trace_state(std::string_view text) {
  constexpr size_t kMost = 512;
  return !text.empty() && text.size() <= kMost &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

OtlpOutput::OtlpOutput(Options options)
    : options_(std::move(options)),
      groups_(Signal::kTraces, options_.traces_format),
      log_groups_(Signal::kLogs, options_.logs_format) {
  if (options_.traces != nullptr && options_.budget.any()) {
    budget_ = std::make_unique<SpanBudget>(options_.budget,
                                           [this](const SpanBudget::Held& span) { send(span); });
  }
}

void OtlpOutput::introduce(const ProcessInfo& process, const Metadata& metadata, int64_t, Places*) {
  auto resource = std::make_shared<const std::string>(make_resource(metadata, process));
  groups_.introduce(process.number, resource);
  log_groups_.introduce(process.number, resource);
  if (process.number >= processes_.size()) processes_.resize(process.number + 1);
  processes_[process.number] = {process.sample_rate, sampling_trace_state(process.sample_rate)};
  remember(process.key);
  traces_.fill({});
}

void OtlpOutput::remember(SegmentKey key) {
  bool known = std::any_of(keys_.begin(), keys_.end(), [&](SegmentKey other) {
    return other.k0 == key.k0 && other.k1 == key.k1;
  });
  if (known) return;
  if (keys_.size() == kMostKeys) keys_.erase(keys_.begin());
  keys_.push_back(key);
}

void OtlpOutput::forget(const ProcessInfo& process) {
  if (budget_ != nullptr) budget_->forget(process.number);
}

void OtlpOutput::forget(const FunctionInfo& function) {
  if (function.number < functions_.size()) std::string().swap(functions_[function.number]);
}

std::string_view OtlpOutput::part_of(const FunctionInfo& function) {
  if (function.number >= functions_.size()) functions_.resize(function.number + 1);
  std::string& part = functions_[function.number];
  if (part.empty()) part = function_part(function, options_.lean);
  return part;
}

std::string_view OtlpOutput::part_of(const ThreadInfo& thread) {
  ThreadSlot& slot = threads_[thread.number % threads_.size()];
  if (slot.number != thread.number || thread.number == 0) {
    slot.number = thread.number;
    slot.part = thread_part(thread);
  }
  return slot.part;
}

std::string_view OtlpOutput::part_of(TraceId trace, uint32_t process) {
  TraceSlot& slot = traces_[trace.lo % traces_.size()];
  bool same = slot.trace == trace && slot.process == process;
  if (!same || slot.part.empty()) {
    slot = {trace, process, trace_part(trace, trace_state_of(trace, process))};
  }
  return slot.part;
}

// Whose trace came from outside was sampled there: what was said there is passed on.
std::string OtlpOutput::trace_state_of(TraceId trace, uint32_t process) const {
  auto foreign = foreign_states_.find(short_id(trace));
  if (foreign != foreign_states_.end()) return foreign->second;
  const KnownProcess& known = processes_[process];
  if (known.trace_state.empty() || !is_own(trace)) return "";
  // Of a trace that does not end tail sampling chooses parts, by their own ids: a threshold that
  // the trace's id does not reach is not said, for receivers would drop the span.
  return sampled(trace, sampling_threshold(known.sample_rate)) ? known.trace_state : "";
}

// Trace ids are a bijection of a place, keyed by the segment that the trace began in (ids.h).
bool OtlpOutput::is_own(TraceId trace) const {
  return std::any_of(keys_.begin(), keys_.end(), [&](SegmentKey key) {
    uint64_t place = place_of({key.k1, ~key.k0}, trace.hi);
    return keyed_mix(place, ~key.k1, key.k0) == trace.lo;
  });
}

void OtlpOutput::note_trace_state(const SpanStart& event) {
  const HttpRequestInfo* request = event.operation->request;
  if (request == nullptr || request->headers == nullptr) return;
  if (span_kind(*event.operation) != kServer || event.place.parent_span_id == 0) return;
  for (const auto& [name, value] : *request->headers) {
    if (!absl::EqualsIgnoreCase(name, "tracestate") || !is_trace_state(value)) continue;
    keep_trace_state(short_id(event.place.trace), value);
    traces_[event.place.trace.lo % traces_.size()] = {};
    return;
  }
}

void OtlpOutput::keep_trace_state(uint64_t trace, std::string_view state) {
  auto [at, is_new] = foreign_states_.insert_or_assign(trace, std::string(state));
  if (!is_new) return;
  foreign_traces_.push_back(trace);
  if (foreign_traces_.size() <= kMostForeign) return;
  foreign_states_.erase(foreign_traces_.front());
  foreign_traces_.pop_front();
}

bool OtlpOutput::has_room() const {
  return stories_.size() < kMostStories && story_bytes_ < kMostStoryBytes;
}

void OtlpOutput::grow(Story* story, size_t bytes) {
  story->bytes += bytes;
  story_bytes_ += bytes;
}

void OtlpOutput::end_story(uint64_t span) {
  auto found = stories_.find(span);
  if (found == stories_.end()) return;
  story_bytes_ -= found->second.bytes;
  stories_.erase(found);
}

void OtlpOutput::keep_start(const SpanStart& event) {
  end_story(event.place.span_id);
  if (!has_room()) return;
  Story& story = stories_[event.place.span_id];
  add_operation_attributes(*event.operation, event.function, &story.start);
  add_thread_attributes(*event.thread, &story.start);
  grow(&story, sizeof story + story.start.bytes());
}

void OtlpOutput::keep_exception(const PointEvent& event) {
  if (!has_room()) return;
  auto [at, is_new] = stories_.try_emplace(event.place.span_id);
  Story& story = at->second;
  if (is_new) grow(&story, sizeof story);
  if (story.exceptions.kept.size() == kMostExceptions) {
    story.exceptions.left_out++;
    return;
  }
  story.exceptions.kept.push_back(exception_note(event));
  grow(&story, sizeof(ExceptionNote) + story.exceptions.kept.back().attributes.bytes());
}

void OtlpOutput::start(const SpanStart& event) {
  const EventPlace& place = event.place;
  if (options_.traces != nullptr && event.operation != nullptr) {
    note_trace_state(event);
    keep_start(event);
  }
  if (budget_ != nullptr) {
    bool server = event.operation != nullptr && span_kind(*event.operation) == kServer;
    budget_->start(place, event.process->number, event.thread->number, event.operation != nullptr,
                   server);
  }
  bool has_event = event.operation == nullptr || !event.operation->names.start.empty();
  if (options_.logs == nullptr || !options_.all_events || !has_event) return;
  item_.clear();
  append_log(&item_, event);
  log(item_, place.trace, event.process->number);
}

void OtlpOutput::log(const std::string& record, TraceId trace, uint32_t process) {
  uint32_t group = log_groups_.group_of(process, Groups::kEvents);
  options_.logs->add(log_groups_.framing(), record, trace, group);
}

const OtlpOutput::Story* OtlpOutput::story_of(uint64_t span) const {
  if (stories_.empty()) return nullptr;
  auto found = stories_.find(span);
  return found == stories_.end() ? nullptr : &found->second;
}

void OtlpOutput::append_fields(std::string* fields, const SpanEnd& event, const Story* story) {
  static const AttributeSet kNone;
  std::string_view trace = part_of(event.place.trace, event.process->number);
  const auto* exceptions = story != nullptr ? &story->exceptions : nullptr;
  if (event.operation != nullptr) {
    append_operation(fields, event, trace, story != nullptr ? story->start : kNone, exceptions);
  } else {
    append_call(fields, event, trace, part_of(*event.function), part_of(*event.thread), exceptions);
  }
}

void OtlpOutput::send_now(const SpanEnd& event, const Story* story) {
  item_.clear();
  if (event.operation == nullptr && story == nullptr && event.note == nullptr &&
      event.error == nullptr) {
    append_plain_span(&item_, event, part_of(event.place.trace, event.process->number),
                      part_of(*event.function), part_of(*event.thread));
  } else {
    std::string fields;
    append_fields(&fields, event, story);
    finish_span(&item_, fields, event.place.parent_span_id, {});
  }
  auto scope = event.operation != nullptr ? Groups::kOperations : Groups::kCalls;
  uint32_t group = groups_.group_of(event.process->number, scope);
  options_.traces->add(groups_.framing(), item_, event.place.trace, group);
}

void OtlpOutput::end(const SpanEnd& event) {
  if (options_.logs != nullptr && options_.all_events) {
    item_.clear();
    append_log(&item_, event);
    log(item_, event.place.trace, event.process->number);
  }
  const Story* story = story_of(event.place.span_id);
  if (options_.traces == nullptr) {
    // Only its log records were asked for.
  } else if (budget_ == nullptr) {
    send_now(event, story);
  } else {
    bool foremost = event.operation != nullptr || event.error != nullptr ||
                    (story != nullptr && !story->exceptions.kept.empty());
    SpanBudget::Held* held =
        budget_->end(event.place, event.duration_ns, event.process->number, foremost);
    if (held != nullptr) {
      held->operation = event.operation != nullptr;
      append_fields(&held->fields, event, story);
    }
  }
  if (story != nullptr) end_story(event.place.span_id);
}

void OtlpOutput::send(const SpanBudget::Held& span) {
  item_.clear();
  finish_span(&item_, span.fields, span.place.parent_span_id, span.left_out);
  uint32_t group =
      groups_.group_of(span.process, span.operation ? Groups::kOperations : Groups::kCalls);
  options_.traces->add(groups_.framing(), item_, span.place.trace, group);
}

void OtlpOutput::note(const PointEvent& event) {
  bool exception = event.kind == PointKind::kException;
  bool in_logs =
      options_.all_events || (exception && options_.exceptions != ExceptionSignal::kSpanEvents);
  if (options_.logs != nullptr && in_logs) {
    std::string_view name = !exception            ? "telinject.telemetry_loss"
                            : options_.all_events ? "telinject.exception_exit"
                                                  : "exception";
    item_.clear();
    append_log(&item_, event, name);
    log(item_, event.place.trace, event.process->number);
  }
  bool in_spans = options_.traces != nullptr && options_.exceptions != ExceptionSignal::kLogs;
  if (exception && in_spans) keep_exception(event);
}

void OtlpOutput::pass_on() {
  if (budget_ != nullptr && budget_->is_late()) budget_->choose();
  if (options_.traces != nullptr) options_.traces->pass_on();
  if (options_.logs != nullptr) options_.logs->pass_on();
}

void OtlpOutput::flush() {
  if (budget_ != nullptr) budget_->choose();
  if (options_.traces != nullptr) options_.traces->flush();
  if (options_.logs != nullptr) options_.logs->flush();
}

void OtlpOutput::hurry() {
  if (options_.traces != nullptr) options_.traces->hurry();
  if (options_.logs != nullptr) options_.logs->hurry();
}

uint64_t OtlpOutput::take_lost() {
  uint64_t lost = 0;
  if (options_.traces != nullptr) lost += options_.traces->take_lost();
  if (options_.logs != nullptr) lost += options_.logs->take_lost();
  return lost;
}

bool OtlpOutput::hopeless() const {
  bool traces = options_.traces == nullptr || options_.traces->hopeless();
  bool logs = options_.logs == nullptr || options_.logs->hopeless();
  return traces && logs;
}

std::string OtlpOutput::describe() const {
  std::string text;
  if (options_.traces != nullptr) text = options_.traces->describe();
  if (options_.logs == nullptr) return text;
  return text + (text.empty() ? "" : ", ") + options_.logs->describe();
}

std::string OtlpOutput::outcome() const {
  std::string text;
  for (const auto* stream : {&options_.traces, &options_.logs}) {
    if (*stream == nullptr) continue;
    text.append(text.empty() ? "" : ", ").append((*stream)->outcome());
  }
  if (budget_ != nullptr && budget_->left_out() != 0) {
    text += ", " + std::to_string(budget_->left_out()) +
            " left out (--otlp-trace-spans, --otlp-span-rate)";
  }
  return text;
}

uint64_t OtlpOutput::bytes_written() const {
  uint64_t bytes = options_.traces != nullptr ? options_.traces->bytes() : 0;
  return bytes + (options_.logs != nullptr ? options_.logs->bytes() : 0);
}

}  // namespace telinject::otlp
