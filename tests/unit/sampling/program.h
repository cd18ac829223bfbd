// A program's events, made by hand, and an output that remembers what it gets.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "shim/channel/sampling_rules.h"
#include "shim/drain/sampling/event_relay.h"
#include "shim/events/event_output.h"

namespace telinject::test {

inline constexpr TraceId kTrace = {5, 5};

inline TailRules rules_of(const char* text) {
  TailRules rules;
  REQUIRE(parse_tail_rules(text, &rules));
  return rules;
}

// What was written, and that it is as an output may expect.
struct Written {
  struct Event {
    char kind;  // 's', 'e', 'n'
    uint64_t span, parent, sequence, rate;
    int64_t ns;
    std::string name;  // of the function, the operation, or the message
  };
  std::vector<Event> events;
  std::set<uint32_t> processes, functions;
  std::set<uint64_t> started, ended;
  uint64_t sequence = 0;

  size_t count(char kind) const {
    size_t count = 0;
    for (const Event& event : events) count += event.kind == kind;
    return count;
  }
  bool has(uint64_t span) const { return started.contains(span); }
  bool whole(uint64_t span) const { return started.contains(span) && ended.contains(span); }
};

class Remembering final : public EventOutput {
 public:
  explicit Remembering(Written* out) : out_(out) {}

  void introduce(const ProcessInfo& process, const Metadata&, int64_t, Places*) override {
    REQUIRE(out_->processes.insert(process.number).second);
  }
  void introduce(const FunctionInfo& function, const ProcessInfo& process, int64_t,
                 Places*) override {
    REQUIRE(out_->functions.insert(function.number).second);
    REQUIRE(out_->processes.contains(process.number));
  }
  void forget(const ProcessInfo& process) override {
    REQUIRE(out_->processes.erase(process.number) == 1);
  }
  void forget(const FunctionInfo& function) override {
    REQUIRE(out_->functions.erase(function.number) == 1);
  }
  void start(const SpanStart& event) override {
    add('s', event, event.function, event.operation != nullptr ? event.operation->name : "");
    REQUIRE(out_->started.insert(event.place.span_id).second);
  }
  void end(const SpanEnd& event) override {
    add('e', event, event.function, event.operation != nullptr ? event.operation->name : "");
    REQUIRE(out_->ended.insert(event.place.span_id).second);
  }
  void note(const PointEvent& event) override { add('n', event, event.function, event.message); }
  void pass_on() override {}
  void flush() override { flushed++; }
  std::string describe() const override { return "memory"; }
  uint64_t bytes_written() const override { return 0; }
  std::string_view kind() const override { return "memory"; }
  std::string save() const override { return "saved"; }
  bool restore(std::string_view state, const std::vector<const ProcessInfo*>&) override {
    return state == "saved";
  }
  int flushed = 0;

 private:
  template <typename Event>
  void add(char kind, const Event& event, const FunctionInfo* function, std::string_view name) {
    REQUIRE(out_->processes.contains(event.process->number));
    if (function != nullptr) REQUIRE(out_->functions.contains(function->number));
    // Numbered without a gap, in their order.
    REQUIRE(event.place.sequence == ++out_->sequence);
    if (name.empty() && function != nullptr) name = function->name;
    out_->events.push_back({kind, event.place.span_id, event.place.parent_span_id,
                            event.place.sequence, event.process->sample_rate,
                            event.place.timestamp_ns, std::string(name)});
  }
  Written* out_;
};

// Calls its spans by numbers, and has a clock.
class Program {
 public:
  static constexpr int64_t kMs = 1000000;

  explicit Program(EventOutput* output) : output_(output) {
    process_.number = 3;
    process_.sample_rate = 1000000000;
    process_.key = {1, 2};
    Places places(sequence_);
    output_->introduce(process_, {}, now, &places);
  }

  const FunctionInfo& function(const std::string& name) {
    auto& known = functions_[name];
    if (known == nullptr) {
      known = std::make_unique<FunctionInfo>();
      known->number = static_cast<uint32_t>(functions_.size());
      known->name = name;
    }
    return *known;
  }
  void forget(const std::string& name) {
    output_->forget(function(name));
    functions_.erase(name);
  }
  void forget_process() { output_->forget(process_); }

  void start(uint64_t span, uint64_t parent, const std::string& name, TraceId trace = {1, 1}) {
    spans_[span] = {parent, now, name, trace};
    SpanStart event;
    event.place = {0, now, trace, span, parent};
    event.process = &process_;
    event.thread = &thread;
    event.function = &function(name);
    output_->start(event);
  }
  // An exception, in an open span.
  void throw_in(uint64_t span) {
    const Span& known = spans_[span];
    ErrorInfo info = {"Failure", "thrown", ""};
    PointEvent event;
    event.place = {0, now, known.trace, span, known.parent};
    event.kind = PointKind::kException;
    event.process = &process_;
    event.thread = &thread;
    event.message = "thrown";
    event.error = &info;
    output_->note(event);
  }
  void end(uint64_t span, bool error = false, const ExitNote* note = nullptr) {
    Span known = spans_[span];
    ErrorInfo info = {"Failure", "it failed", ""};
    SpanEnd event;
    event.place = {0, now, known.trace, span, known.parent};
    event.process = &process_;
    event.thread = &thread;
    event.function = &function(known.name);
    event.start_ns = known.start_ns;
    event.duration_ns = now - known.start_ns;
    event.severity = error ? Severity::kError : Severity::kInfo;
    event.error = error ? &info : nullptr;
    event.note = note;
    output_->end(event);
  }
  // The end of what only that is told of, or of an operation that has a start, too.
  void end_operation(uint64_t span, const OperationNames& names, int64_t duration_ms) {
    Operation operation;
    operation.names = names;
    operation.name = "operation";
    SpanEnd event;
    event.place = {0, now, {1, 1}, span, 0};
    event.process = &process_;
    event.thread = &thread;
    event.operation = &operation;
    event.start_ns = now - duration_ms * kMs;
    event.duration_ns = duration_ms * kMs;
    output_->end(event);
  }
  // Its end will tell of another trace than its start did.
  void change_trace(uint64_t span, TraceId trace) { spans_[span].trace = trace; }
  // A request that is served, of a trace of its own; it fails, if it is to.
  void request(uint64_t span, int64_t duration_ms, bool error = false) {
    TraceId trace = {span, span * 0x9e3779b97f4a7c15};
    start(span, 0, "handle", trace);
    start(span + 1, span, "work", trace);
    now += duration_ms * kMs;
    end(span + 1, error);
    end(span);
  }
  // All that waits for a moment is decided.
  void pass_time(int64_t ms) {
    now += ms * kMs;
    TraceId trace = {0xffff, ++idle_};
    PointEvent event;
    event.place = {0, now, trace, 0xffff0000 + idle_, 0};
    event.kind = PointKind::kLoss;
    event.process = &process_;
    event.message = "time passes";
    output_->note(event);
  }

  int64_t now = int64_t{1700000000} * 1000 * kMs;
  ThreadInfo thread = {7, 700, "worker"};

 private:
  class Places final : public EventOutput::Places {
   public:
    explicit Places(std::shared_ptr<uint64_t> sequence) : sequence_(std::move(sequence)) {}
    EventPlace note(int64_t) override { return {}; }
    std::shared_ptr<uint64_t> sequence() override { return sequence_; }

   private:
    std::shared_ptr<uint64_t> sequence_;
  };
  struct Span {
    uint64_t parent = 0;
    int64_t start_ns = 0;
    std::string name;
    TraceId trace = {};
  };
  EventOutput* output_;
  ProcessInfo process_;
  std::shared_ptr<uint64_t> sequence_ = std::make_shared<uint64_t>(0);
  std::map<std::string, std::unique_ptr<FunctionInfo>> functions_;
  std::map<uint64_t, Span> spans_;
  uint64_t idle_ = 0;
};

inline EventOutputs remembering(Written* written) {
  EventOutputs outputs;
  outputs.push_back(std::make_unique<Remembering>(written));
  return outputs;
}

}  // namespace telinject::test
