#include "shim/events/otlp/span_budget.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <tuple>
#include <utility>

namespace telinject::otlp {

namespace {

constexpr int64_t kSecondNs = 1000000000;
constexpr uint64_t kBurstSeconds = 5;
constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max() / 2;
constexpr size_t kMostHeld = 65536;     // of all processes; then the choice is made sooner
constexpr size_t kMostTraces = 262144;  // of which most are over
constexpr size_t kSentRemembered = 65536;
constexpr uint64_t kReserve = 64;  // of a trace; a quarter of small limits
constexpr int kMostSteps = 256;    // up to an ancestor that is kept

int64_t steady_ns() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

// A caller comes behind the calls that it made.
auto weight(const SpanBudget::Held& span) {
  return std::tuple(span.rank, span.duration_ns, span.order);
}
bool lighter(const SpanBudget::Held* a, const SpanBudget::Held* b) {
  return weight(*a) < weight(*b);
}
bool heavier(const SpanBudget::Held* a, const SpanBudget::Held* b) {
  return lighter(b, a);
}

}  // namespace

SpanBudget::SpanBudget(const Limits& limits, Send send)
    : limits_{limits.per_trace != 0 ? limits.per_trace : kUnlimited,
              limits.per_second != 0 ? limits.per_second : kUnlimited / kBurstSeconds},
      send_(std::move(send)) {}

void SpanBudget::reach(int64_t ns) {
  now_ns_ = std::max(now_ns_, ns);
  bool over = now_ns_ - window_ns_ >= kSecondNs;
  if (over || held_.size() >= kMostHeld || traces_.size() >= kMostTraces) choose();
}

SpanBudget::Trace* SpanBudget::trace_of(TraceId id) {
  if (last_ != nullptr && SameTrace()(id, last_trace_)) return last_;
  auto [at, is_new] = traces_.try_emplace(id);
  if (is_new) {
    at->second.reserve = std::min(kReserve, limits_.per_trace / 4);
    at->second.left = limits_.per_trace - at->second.reserve;
  }
  last_trace_ = id;
  last_ = &at->second;
  return last_;
}

SpanBudget::Process* SpanBudget::process_of(uint32_t number) {
  auto [at, is_new] = processes_.try_emplace(number);
  if (is_new) {
    at->second.tokens = kBurstSeconds * limits_.per_second;
    at->second.refilled_ns = now_ns_;
  }
  return &at->second;
}

void SpanBudget::refill(Process* process) const {
  int64_t elapsed = std::min(now_ns_ - process->refilled_ns, kSecondNs * int64_t{kBurstSeconds});
  uint64_t most = kBurstSeconds * limits_.per_second;
  auto more =
      static_cast<uint64_t>(static_cast<__int128>(elapsed) * limits_.per_second / kSecondNs);
  if (more == 0) return;
  process->refilled_ns = now_ns_;
  process->tokens = std::min(process->tokens + more, most);
}

void SpanBudget::start(const EventPlace& place, uint32_t process, uint64_t thread, bool operation,
                       bool remote_parent) {
  reach(place.timestamp_ns);
  Open open;
  open.parent = place.parent_span_id;
  open.thread = thread;
  open.process = process;
  open.trace = trace_of(place.trace);
  open.trace->open++;
  bool outermost = true;
  open.from_elsewhere = remote_parent;
  auto parent = open_.find(open.parent);
  if (open.parent != 0 && parent != open_.end()) {
    outermost = parent->second.thread != thread;
    if (operation) parent->second.rank = std::max(parent->second.rank, Rank::kForemost);
    open.from_elsewhere = false;
  } else if (open.trace->left_out == 0) {
    // Else it may have been left out.
    open.from_elsewhere = !sent_.contains(open.parent) && !held_.contains(open.parent);
  }
  if (operation) {
    open.rank = Rank::kForemost;
  } else if (open.parent == 0 || open.trace->top == 0) {
    open.rank = Rank::kTraceRoot;
  } else if (outermost) {
    open.rank = Rank::kThreadRoot;
  }
  if (open.trace->top == 0) open.trace->top = place.span_id;
  open_[place.span_id] = open;
}

SpanBudget::Held* SpanBudget::end(const EventPlace& place, int64_t duration_ns, uint32_t process,
                                  bool foremost) {
  reach(place.timestamp_ns);
  Open open;
  auto found = open_.find(place.span_id);
  if (found != open_.end()) {
    open = found->second;
    open_.erase(found);
    open.trace->open--;
  } else {
    // Its start was not seen: this drain goes on where another one stopped.
    open.trace = trace_of(place.trace);
    open.parent = place.parent_span_id;
    open.process = process;
    open.from_elsewhere = true;
  }
  if (foremost) open.rank = std::max(open.rank, Rank::kForemost);
  auto parent = open_.find(open.parent);
  if (open.rank >= Rank::kForemost && parent != open_.end()) {
    parent->second.rank = std::max(parent->second.rank, Rank::kForemost);
  }
  Process* of = process_of(process);
  if (open.rank == Rank::kCertain) return hold(place, open, duration_ns);
  refill(of);
  if (!admits(of, *open.trace, open.rank, duration_ns)) {
    leave_out(place.trace, open.parent, duration_ns, open.left_out);
    return nullptr;
  }
  Held* span = hold(place, open, duration_ns);
  of->heap.push_back(span);
  std::push_heap(of->heap.begin(), of->heap.end(), heavier);
  return span;
}

// Makes room in the heap, if the span is heavier than the least there.
bool SpanBudget::admits(Process* process, const Trace& trace, Rank rank, int64_t duration_ns) {
  if (trace.left == 0) return false;
  std::vector<Held*>& heap = process->heap;
  if (heap.size() < process->tokens) return true;
  if (heap.empty()) return false;
  Held* least = heap.front();
  if (std::tuple(rank, duration_ns) <= std::tuple(least->rank, least->duration_ns)) return false;
  std::pop_heap(heap.begin(), heap.end(), heavier);
  heap.pop_back();
  leave_out(std::move(held_.extract(least->place.span_id).mapped()));
  return true;
}

SpanBudget::Held* SpanBudget::hold(const EventPlace& place, const Open& open, int64_t duration_ns) {
  if (free_.empty()) free_.push_back(std::make_unique<Held>());
  if (held_.empty()) waits_since_ns_ = steady_ns();
  std::unique_ptr<Held>& span = held_[place.span_id];
  span = std::move(free_.back());
  free_.pop_back();
  span->place = place;
  span->place.parent_span_id = open.parent;
  span->duration_ns = duration_ns;
  span->order = order_++;
  span->process = open.process;
  span->rank = open.rank;
  span->chosen = open.rank == Rank::kCertain;
  span->from_elsewhere = open.from_elsewhere;
  span->left_out = open.left_out;
  span->fields.clear();
  return span.get();
}

void SpanBudget::release(std::unique_ptr<Held> span) {
  if (free_.size() < kMostHeld) free_.push_back(std::move(span));
}

LeftOut* SpanBudget::counter_of(uint64_t span) {
  if (auto open = open_.find(span); open != open_.end()) return &open->second.left_out;
  if (auto held = held_.find(span); held != held_.end()) return &held->second->left_out;
  return nullptr;
}

void SpanBudget::leave_out(TraceId id, uint64_t parent, int64_t duration_ns, const LeftOut& below) {
  Trace* trace = trace_of(id);
  trace->left_out++;
  left_out_++;
  LeftOut* counter = parent != 0 ? counter_of(parent) : nullptr;
  if (counter == nullptr) counter = counter_of(trace->top);
  if (counter == nullptr) {
    unplaced_ += 1 + below.calls;
    return;
  }
  counter->calls += 1 + below.calls;
  counter->ns += static_cast<uint64_t>(std::max<int64_t>(duration_ns, 0));
}

void SpanBudget::leave_out(std::unique_ptr<Held> span) {
  leave_out(span->place.trace, span->place.parent_span_id, span->duration_ns, span->left_out);
  release(std::move(span));
}

bool SpanBudget::pay(Trace* trace, Process* process, Rank rank) const {
  if (trace->second != now_ns_ / kSecondNs) {
    trace->second = now_ns_ / kSecondNs;
    trace->left_now = trace->left / 2;
  }
  if (trace->open == 0) trace->left += std::exchange(trace->reserve, 0);
  bool goes_on = trace->open != 0 && rank < Rank::kForemost;
  bool has = goes_on ? trace->left_now > 0 : trace->left > 0;
  if (!has || process->tokens == 0) return false;
  trace->left--;
  trace->left_now -= trace->left_now > 0 ? 1 : 0;
  process->tokens--;
  return true;
}

void SpanBudget::choose() {
  std::vector<Held*> spans;
  spans.reserve(held_.size());
  for (const auto& [id, span] : held_) spans.push_back(span.get());
  std::sort(spans.begin(), spans.end(), heavier);
  for (Held* span : spans) {
    if (span->chosen) continue;
    span->chosen = pay(trace_of(span->place.trace), process_of(span->process), span->rank);
  }
  for (Held* span : spans) {
    if (span->chosen) span->place.parent_span_id = kept_ancestor(*span);
  }
  // Those that are left out, callees before their callers; then what is sent has all counts.
  std::vector<Held*> chosen;
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    if ((*span)->chosen) {
      chosen.push_back(*span);
    } else {
      leave_out(std::move(held_.extract((*span)->place.span_id).mapped()));
    }
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const Held* a, const Held* b) { return a->order < b->order; });
  for (const Held* span : chosen) send(*span);
  for (auto& [id, span] : held_) release(std::move(span));
  held_.clear();
  for (auto& [number, process] : processes_) process.heap.clear();
  last_ = nullptr;
  std::erase_if(traces_, [](const auto& trace) { return trace.second.open == 0; });
  window_ns_ = now_ns_;
  waits_since_ns_ = 0;
}

void SpanBudget::send(const Held& span) {
  send_(span);
  sent_.insert(span.place.span_id);
  sent_order_.push_back(span.place.span_id);
  if (sent_order_.size() > kSentRemembered) {
    sent_.erase(sent_order_.front());
    sent_order_.pop_front();
  }
}

bool SpanBudget::is_kept(uint64_t span) {
  if (sent_.contains(span)) return true;
  auto held = held_.find(span);
  if (held != held_.end()) return held->second->chosen;
  auto open = open_.find(span);
  return open != open_.end() && open->second.rank == Rank::kCertain;
}

bool SpanBudget::make_certain(Open* open) {
  if (open->rank == Rank::kCertain) return true;
  if (open->trace->reserve > 0) {
    open->trace->reserve--;
  } else if (!pay(open->trace, process_of(open->process), Rank::kForemost)) {
    return false;
  }
  open->rank = Rank::kCertain;
  return true;
}

// Of a span that is chosen: the nearest ancestor that is sent, or will be. 0: there is none.
uint64_t SpanBudget::kept_ancestor(const Held& span) {
  uint64_t at = span.place.parent_span_id;
  if (at == 0) return 0;
  for (int step = 0; at != 0 && step < kMostSteps; step++) {
    if (is_kept(at)) return at;
    if (auto open = open_.find(at); open != open_.end()) {
      if (make_certain(&open->second)) return at;
      at = open->second.parent;
    } else if (auto held = held_.find(at); held != held_.end()) {
      at = held->second->place.parent_span_id;
    } else {
      // Not seen here: remote, or of another drain; or left out.
      if (step == 0 && span.from_elsewhere) return at;
      break;
    }
  }
  uint64_t top = trace_of(span.place.trace)->top;
  if (top == span.place.span_id) return 0;
  // The one span that may be beyond the limit.
  if (auto open = open_.find(top); open != open_.end()) {
    open->second.rank = Rank::kCertain;
    return top;
  }
  return is_kept(top) ? top : 0;
}

void SpanBudget::forget(uint32_t process) {
  auto found = processes_.find(process);
  if (found == processes_.end()) return;
  if (!held_.empty()) choose();
  processes_.erase(process);
}

bool SpanBudget::is_late() const {
  return waits_since_ns_ != 0 && steady_ns() - waits_since_ns_ >= kSecondNs;
}

}  // namespace telinject::otlp
