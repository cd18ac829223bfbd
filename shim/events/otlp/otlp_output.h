// The output of OTLP: spans, and log records if they were asked for, into deliveries.
//
// A span is encoded when it ends. What its start said (of an operation) and the exceptions that
// were told in it are kept until then.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/delivery/delivery.h"
#include "shim/events/event_output.h"
#include "shim/events/otlp/exporters.h"
#include "shim/events/otlp/framing.h"
#include "shim/events/otlp/span_budget.h"
#include "shim/events/otlp/span_encoder.h"

namespace telinject::otlp {

// Where the encoded items of one signal go.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual void add(const std::shared_ptr<const delivery::Framing>& framing, std::string_view item,
                   TraceId trace, uint32_t group) = 0;
  // What was added goes to the receiver: soon; and now, waiting for it.
  virtual void pass_on() = 0;
  virtual void pass_on_now() { pass_on(); }  // what comes next is far off
  virtual void flush() = 0;
  virtual void hurry() = 0;
  virtual uint64_t take_lost() = 0;
  virtual bool hopeless() const = 0;
  virtual std::string describe() const = 0;
  virtual std::string outcome() const = 0;  // for the user: "12 spans sent, 3 rejected"
  virtual uint64_t bytes() const = 0;
};

// What belongs to one framing at a time: resources of processes, each with a scope.
class Groups {
 public:
  Groups(Signal signal, Format format) : signal_(signal), format_(format) {}

  enum Scope : uint8_t { kCalls, kOperations, kEvents, kScopes };
  void introduce(uint32_t process, std::shared_ptr<const std::string> resource);
  // Of a process that was introduced. The framing is the current one, which may be new.
  uint32_t group_of(uint32_t process, Scope scope);
  const std::shared_ptr<OtlpFraming>& framing() const { return framing_; }
  const std::string* resource_of(uint32_t process) const;

 private:
  struct Slot {
    std::shared_ptr<const std::string> resource;
    std::array<uint32_t, kScopes> groups = {};
    std::array<uint64_t, kScopes> framings = {};  // that they are of, by number
  };

  const Signal signal_;
  const Format format_;
  std::shared_ptr<OtlpFraming> framing_;
  uint64_t number_ = 0;  // of the framing; 0: there is none yet
  std::vector<Slot> processes_;
};

class OtlpOutput final : public EventOutput {
 public:
  struct Options {
    Format traces_format = Format::kProtobuf, logs_format = Format::kProtobuf;
    std::unique_ptr<Stream> traces;  // may be null
    std::unique_ptr<Stream> logs;    // null: none are wanted
    bool all_events = false;         // each event is a log record; else exceptions are
    ExceptionSignal exceptions = ExceptionSignal::kSpanEvents;
    SpanBudget::Limits budget;
    bool lean = false;  // TELEMETRY_DETAIL
  };

  explicit OtlpOutput(Options options);

  void introduce(const ProcessInfo& process, const Metadata& metadata, int64_t timestamp_ns,
                 Places* places) override;
  void introduce(const FunctionInfo&, const ProcessInfo&, int64_t, Places*) override {}
  void forget(const ProcessInfo& process) override;
  void forget(const FunctionInfo& function) override;

  void start(const SpanStart& event) override;
  void end(const SpanEnd& event) override;
  void note(const PointEvent& event) override;

  void pass_on() override;
  void flush() override;
  void hurry() override;
  uint64_t take_lost() override;
  bool hopeless() const override;
  bool tells_losses() const override { return true; }
  std::string describe() const override;
  std::string outcome() const override;
  uint64_t bytes_written() const override;
  uint64_t left_out_spans() const override { return budget_ ? budget_->left_out() : 0; }

  std::string_view kind() const override { return "otlp"; }
  std::string save() const override;
  bool restore(std::string_view state, const std::vector<const ProcessInfo*>& processes) override;

 private:
  // What is known of a span that is open, besides its ids.
  struct Story {
    AttributeSet start;  // of an operation
    Exceptions exceptions;
    size_t bytes = 0;  // in memory, about
  };
  struct ThreadSlot {
    uint64_t number = 0;
    std::string part;
  };
  struct TraceSlot {
    TraceId trace = {};
    uint32_t process = 0;
    std::string part;
  };
  struct KnownProcess {
    uint64_t sample_rate = 0;
    std::string trace_state;  // of traces that were sampled with its rate
  };

  // Of all stories. What begins beyond it has no attributes of its start, and no exceptions.
  static constexpr size_t kMostStories = 65536, kMostStoryBytes = 64 << 20;

  std::string_view part_of(const FunctionInfo& function);
  std::string_view part_of(const ThreadInfo& thread);
  std::string_view part_of(TraceId trace, uint32_t process);
  const Story* story_of(uint64_t span) const;
  bool has_room() const;
  void keep_start(const SpanStart& event);
  void keep_exception(const PointEvent& event);
  void grow(Story* story, size_t bytes);
  void end_story(uint64_t span);
  std::string trace_state_of(TraceId trace, uint32_t process) const;
  bool is_own(TraceId trace) const;
  void note_trace_state(const SpanStart& event);
  void keep_trace_state(uint64_t trace, std::string_view state);
  void append_fields(std::string* fields, const SpanEnd& event, const Story* story);
  void send(const SpanBudget::Held& span);
  void send_now(const SpanEnd& event, const Story* story);
  void remember(SegmentKey key);
  bool restore_process(std::string_view saved);
  bool restore_story(std::string_view saved);
  void restore_trace_state(std::string_view saved);
  void log(const std::string& record, TraceId trace, uint32_t process);

  Options options_;
  Groups groups_, log_groups_;
  std::unique_ptr<SpanBudget> budget_;  // null: no limit
  std::vector<std::string> functions_;  // by number; "" before its first span
  std::array<ThreadSlot, 1024> threads_;
  std::vector<KnownProcess> processes_;  // by number
  std::vector<SegmentKey> keys_;         // whose trace ids are ours
  // Of traces from elsewhere, as long as they may have spans here: their tracestate.
  absl::flat_hash_map<uint64_t, std::string> foreign_states_;
  std::deque<uint64_t> foreign_traces_;  // the oldest first
  std::array<TraceSlot, 64> traces_;     // by the end of their ids
  std::string item_;
  absl::flat_hash_map<uint64_t, Story> stories_;  // by span
  size_t story_bytes_ = 0;
};

}  // namespace telinject::otlp
