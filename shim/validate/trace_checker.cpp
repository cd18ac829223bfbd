#include "shim/validate/trace_checker.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace telinject::validate {

namespace {

using nlohmann::json;

constexpr int64_t kNsPerSecond = 1000000000, kNsPerMs = 1000000;
// Two processes take their clocks' anchors each for itself.
constexpr int64_t kClockToleranceNs = 1000000;
constexpr int kHex = 16;
constexpr size_t kSpanDigits = 16;

uint64_t number_of_hex(std::string_view digits) {
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, kHex);
  return value;
}

std::string_view text_of(const json& object, const char* name) {
  auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

std::string hex(uint64_t span) {
  return absl::StrFormat("%016x", span);
}

std::string text(std::string_view view) {
  return std::string(view);
}

bool is_start(std::string_view type) {
  return type == "function_entry" || type == "http_request" || type == "database_query";
}

bool is_end(std::string_view type) {
  return type == "function_exit" || type == "http_response" || type == "database_result";
}

int64_t attribute_ns(const json& attributes, const char* name) {
  auto found = attributes.find(name);
  return found != attributes.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

}  // namespace

void TraceChecker::fault(std::string_view rule, std::string what) {
  tell_({rule, line_, std::move(what)});
}

void TraceChecker::feed(uint64_t line, const json& event) {
  line_ = line;
  std::string_view type = text_of(event, "event_type");
  auto time = event["timestamp_ns"].get<int64_t>();
  check_timestamp(event, time);
  std::optional<int64_t> pid = pid_of(event);
  if (!pid.has_value()) {
    return fault("reference", absl::StrCat("process_ref ", text(text_of(event, "process_ref")),
                                           " is of no event above"));
  }
  size_t process = process_of(*pid, event["sequence"].get<uint64_t>());
  remember(type, event);
  if (type.starts_with("telemetry_")) return;
  check_reference(event);
  Said said = said_by(event, process);
  Kind kind = type.starts_with("function_") ? Kind::kCall : Kind::kOperation;
  if (is_start(type)) return start(event, said, kind);
  if (is_end(type)) return end(event, said, kind);
  if (type == "tls_connection") {  // a span in one event, at its end
    Span* span = add(said, kind);
    if (span == nullptr) return;
    span->end = said.time;
    span->start = said.time - event["duration_ns"].get<int64_t>();
    return;
  }
  auto found = spans_.find(said.span);
  bool open = found != spans_.end() && found->second.end == kOpen;
  if (!open && !damaged_.contains(said.span)) {
    fault("outside-span",
          absl::StrCat(text(type), " in span ", hex(said.span), ", which is not open"));
  }
}

void TraceChecker::skip(uint64_t line, const json& event) {
  line_ = line;
  if (!event.is_object()) return;
  damaged_.insert(number_of_hex(text_of(event, "span_id")));
  remember(text_of(event, "event_type"), event);
  std::optional<int64_t> pid = pid_of(event);
  auto sequence = event.find("sequence");
  bool counts = sequence != event.end() && sequence->is_number_unsigned();
  if (pid.has_value() && counts) process_of(*pid, sequence->get<uint64_t>());
}

// What lean events refer to, and losses.
void TraceChecker::remember(std::string_view type, const json& event) {
  std::string id(text_of(event, "span_id"));
  if (type == "telemetry_process") {
    if (std::optional<int64_t> pid = pid_of(event)) pids_[id] = *pid;
  } else if (type == "telemetry_function") {
    functions_.insert(id);
  } else if (type == "telemetry_loss" && event.contains("attributes")) {
    notes_.lost_calls += static_cast<uint64_t>(
        std::max<int64_t>(attribute_ns(event["attributes"], "telinject.lost_calls"), 0));
  }
}

void TraceChecker::check_reference(const json& event) {
  std::string reference(text_of(event, "function_ref"));
  if (reference.empty() || functions_.contains(reference)) return;
  fault("reference", absl::StrCat("function_ref ", reference, " is of no event above"));
}

// Nullopt if it refers to a process that is not known.
std::optional<int64_t> TraceChecker::pid_of(const json& event) {
  if (auto process = event.find("process"); process != event.end() && process->is_object()) {
    return attribute_ns(*process, "pid");
  }
  auto found = pids_.find(text(text_of(event, "process_ref")));
  return found == pids_.end() ? std::nullopt : std::optional(found->second);
}

// The one that is due to write this number, or a new one.
size_t TraceChecker::process_of(int64_t pid, uint64_t sequence) {
  std::vector<size_t>& all = of_pid_[pid];
  for (size_t i = all.size(); i-- > 0;) {
    if (processes_[all[i]].next_sequence != sequence) continue;
    processes_[all[i]].next_sequence++;
    return all[i];
  }
  if (sequence == 1 || all.empty()) {
    all.push_back(processes_.size());
    processes_.emplace_back();
  }
  size_t number = all.back();
  Process& process = processes_[number];
  // Once a process: what follows a gap is wrong, too.
  if (sequence != process.next_sequence && !std::exchange(process.gap, true)) {
    fault("sequence", absl::StrCat("process ", pid, ": ", sequence, " where ",
                                   process.next_sequence, " was due"));
  }
  process.next_sequence = sequence + 1;
  return number;
}

TraceChecker::Said TraceChecker::said_by(const json& event, size_t process) {
  Said said;
  said.span = number_of_hex(text_of(event, "span_id"));
  said.parent = number_of_hex(text_of(event, "parent_span_id"));
  std::string_view trace = text_of(event, "trace_id");
  said.trace = {number_of_hex(trace.substr(0, kSpanDigits)),
                number_of_hex(trace.substr(kSpanDigits))};
  said.time = event["timestamp_ns"].get<int64_t>();
  said.process = process;
  said.thread = thread_of(event, process);
  said.type = text_of(event, "event_type");
  bool call = said.type.starts_with("function_");
  said.name = call ? text_of(event, "function_name") : text_of(event["event"], "name");
  said.correlation = std::hash<std::string_view>()(text_of(event, "correlation_id"));
  return said;
}

// What a process executes next has other threads.
uint32_t TraceChecker::thread_of(const json& event, size_t process) {
  int64_t tid = attribute_ns(event["attributes"], "thread_id");
  auto [found, added] = thread_numbers_.try_emplace(
      absl::StrCat(process, "/", processes_[process].executed, "/", tid),
      static_cast<uint32_t>(threads_.size()));
  if (added) threads_.emplace_back();
  return found->second;
}

uint32_t TraceChecker::number_of_name(std::string_view name) {
  return names_.try_emplace(text(name), static_cast<uint32_t>(names_.size())).first->second;
}

// `timestamp` is `timestamp_ns`, cut to milliseconds.
void TraceChecker::check_timestamp(const json& event, int64_t time) {
  int64_t second = time / kNsPerSecond;
  if (second != second_) {
    second_ = second;
    second_text_ =
        absl::FormatTime("%Y-%m-%dT%H:%M:%S.", absl::FromUnixSeconds(second), absl::UTCTimeZone());
  }
  std::string wanted =
      absl::StrCat(second_text_, absl::StrFormat("%03dZ", time % kNsPerSecond / kNsPerMs));
  if (text_of(event, "timestamp") != wanted) {
    fault("timestamp", absl::StrCat("timestamp is ", event["timestamp"].dump(),
                                    ", but timestamp_ns is at ", wanted));
  }
}

TraceChecker::Span* TraceChecker::add(const Said& said, Kind kind) {
  Span span;
  span.trace = said.trace;
  span.parent = said.parent;
  span.line = line_;
  span.start = said.time;
  span.thread = said.thread;
  span.name = number_of_name(said.name);
  span.correlation = said.correlation;
  span.kind = kind;
  auto [found, added] = spans_.try_emplace(said.span, span);
  if (!added) {
    fault("span-twice", absl::StrCat("a second start of span ", hex(said.span)));
    return nullptr;
  }
  notes_.spans++;
  traces_.insert(said.trace);
  if (said.parent == 0 && !roots_.insert(said.trace).second) {
    fault("two-roots", absl::StrCat("a second span without a parent in trace ", hex(said.trace.hi),
                                    hex(said.trace.lo)));
  }
  return &found->second;
}

void TraceChecker::start(const json& event, const Said& said, Kind kind) {
  if (add(said, kind) == nullptr || kind != Kind::kCall) return;
  check_time(said.thread, said.time);
  nest(said);
  threads_[said.thread].calls.push_back(said.span);
  check_text(event, said, /*end=*/false);
}

// A call's parent is the innermost open call of its thread, or an exchange that is open.
void TraceChecker::nest(const Said& said) {
  const Thread& thread = threads_[said.thread];
  if (thread.calls.empty() || thread.calls.back() == said.parent) return;
  auto parent = spans_.find(said.parent);
  if (parent != spans_.end() && parent->second.kind == Kind::kOperation) return;
  notes_.not_nested++;
}

void TraceChecker::check_time(uint32_t thread, int64_t time) {
  int64_t& before = threads_[thread].time;
  if (time < before) {
    fault("thread-time",
          absl::StrCat(before - time, " ns earlier than the event before it on its thread"));
  }
  before = time;
}

void TraceChecker::end(const json& event, const Said& said, Kind kind) {
  auto found = spans_.find(said.span);
  if (found == spans_.end()) {
    if (damaged_.contains(said.span)) return;
    return fault("end-without-start", absl::StrCat(text(said.type), " of span ", hex(said.span),
                                                   ", which has not started"));
  }
  Span& span = found->second;
  if (span.end != kOpen) {
    return fault("end-twice", absl::StrCat("a second end of span ", hex(said.span)));
  }
  span.end = said.time;
  bool same = span.kind == kind && span.name == number_of_name(said.name) &&
              span.trace == said.trace && span.parent == said.parent &&
              span.correlation == said.correlation;
  if (!same) {
    fault("mismatch", absl::StrCat("span ", hex(said.span), " has another name, trace, parent or ",
                                   "correlation_id than at its start (line ", span.line, ")"));
  }
  check_duration(event, said, span);
  if (kind != Kind::kCall) return;
  // Its process has executed another program, whose first events may come before.
  bool executed = text_of(event["attributes"], "telinject.exit") == "exec";
  if (executed) processes_[said.process].executed++;
  check_time(executed ? span.thread : said.thread, said.time);
  leave(&threads_[span.thread], said.span);
  check_text(event, said, /*end=*/true);
}

void TraceChecker::leave(Thread* thread, uint64_t span) {
  std::vector<uint64_t>& calls = thread->calls;
  auto found = std::find(calls.rbegin(), calls.rend(), span);
  if (found == calls.rend()) return;
  if (found != calls.rbegin()) notes_.not_nested++;
  calls.erase(std::next(found).base());
}

// Waiting for room, and for a processor, is not the call's.
void TraceChecker::check_duration(const json& event, const Said& said, const Span& span) {
  auto duration = event["duration_ns"].get<int64_t>();
  int64_t waited = 0;
  if (span.kind == Kind::kCall) {
    waited = attribute_ns(event["attributes"], "telinject.waited_ns") +
             attribute_ns(event["attributes"], "telinject.preempted_ns");
  }
  if (duration != said.time - span.start - waited) {
    fault("duration", absl::StrCat("duration_ns is ", duration, ", but from start to end are ",
                                   said.time - span.start, " ns, of which it waited ", waited));
  }
  auto ms = event["duration_ms"].get<double>();
  auto wanted = static_cast<double>(duration);
  constexpr double kRounded = 0.5 / 1e6, kDigits = 1e-15;  // in ms; of a double's digits
  if (std::abs(ms - wanted / 1e6) > kRounded + wanted / 1e6 * kDigits) {
    fault("duration", absl::StrCat("duration_ms is ", ms, ", duration_ns ", duration));
  }
}

void TraceChecker::check_text(const json& event, const Said& said, bool end) {
  std::string_view message = text_of(event, "message");
  if (message.empty() && event.contains("function_ref")) return;  // lean: it goes without saying
  std::string wanted = absl::StrCat("Function '", text(said.name), end ? "' exit (" : "' entry");
  bool good = end ? message.starts_with(wanted) && message.ends_with("ms)") : message == wanted;
  if (good && end) {
    constexpr double kRounded = 0.0050001;
    std::string shown(message.substr(wanted.size()));
    good = std::abs(std::strtod(shown.c_str(), nullptr) - event["duration_ms"].get<double>()) <=
           kRounded;
  }
  if (good && event.contains("event")) good = text_of(event["event"], "name") == said.name;
  if (!good) {
    fault("text", absl::StrCat("message or event.name of ", text(said.name),
                               " say another thing than its fields: ", text(message)));
  }
}

// Parents may come later in the file than children of other threads.
void TraceChecker::finish() {
  notes_.processes = processes_.size();
  notes_.traces = traces_.size();
  for (const auto& [id, span] : spans_) {
    if (span.end == kOpen) notes_.never_ended++;
    if (span.parent == 0) continue;
    line_ = span.line;
    auto found = spans_.find(span.parent);
    if (found == spans_.end()) {
      notes_.foreign_parents += damaged_.contains(span.parent) ? 0 : 1;
      continue;
    }
    const Span& parent = found->second;
    if (!(parent.trace == span.trace)) {
      fault("parent-trace", absl::StrCat("span ", hex(id), " and its parent ", hex(span.parent),
                                         " are of different traces"));
    }
    int64_t early = parent.start - span.start;
    if (early > (parent.thread == span.thread ? 0 : kClockToleranceNs)) {
      fault("outside-parent", absl::StrCat("span ", hex(id), " starts ", early,
                                           " ns before its parent ", hex(span.parent)));
    }
    bool on_its_thread = span.kind == Kind::kCall && parent.kind == Kind::kCall &&
                         parent.thread == span.thread && parent.end != kOpen;
    if (on_its_thread && span.start > parent.end) {
      fault("outside-parent",
            absl::StrCat("span ", hex(id), " starts ", span.start - parent.end,
                         " ns after its parent ", hex(span.parent), " has ended"));
    }
  }
}

}  // namespace telinject::validate
