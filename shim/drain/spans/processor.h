// The processor: records in, events out.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/channel/settings.h"
#include "shim/drain/naming/stack_text.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/clock_keeper.h"
#include "shim/drain/report/losses.h"
#include "shim/drain/report/summary.h"
#include "shim/drain/report/totals_report.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/operation_kinds.h"
#include "shim/drain/spans/process_model.h"
#include "shim/events/event_output.h"
#include "shim/metadata/metadata_thread.h"
#include "shim/sinks/worker_thread.h"

namespace telinject::drain {

class Recorder;

class Processor final : SpanWriter, SpanPlacer::Calls {
 public:
  struct Options {
    Metadata metadata;                 // without a finder
    MetadataThread* finder = nullptr;  // started when the first event is to be written
    uint64_t sample_rate = kRateOne;
    bool summary = false;
    bool replay = false;        // of a recording: nothing of it is to be looked up on this machine
    bool exact_totals = false;  // of all calls, though a sample is written
    SpanFilter filter;
    OperationOptions operations;
    std::unique_ptr<DocumentFile> totals;  // null: not wanted
    bool totals_when_flushed = false;      // nobody waits for more than a flush
    std::string output;  // the settings' word for the sink's file, for the summary's next command
  };
  // What the processor asks of the rest.
  struct Hooks {
    // Tell me when this forked child ends.
    std::function<void(SegmentId segment, int pid)> watch;
    std::function<void()> written;          // telrun's program has ended, and all is written
    std::atomic<uint64_t>* progress;        // bumped with each batch
    std::function<void()> encoded = [] {};  // before the summary
  };

  Processor(BatchQueue* queue, ClockKeeper* clock, EventOutputs outputs, Options options,
            Hooks hooks);

  // Runs until kLastWords, and returns nothing. Or, if it is to leave when it is stopped, until
  // then: all that was taken has been written, and the batch returned is the first that was not
  // taken. `first` is taken before all others.
  std::optional<Batch> run(bool leave_when_stopped = false,
                           std::optional<Batch> first = std::nullopt);

  // processor_state.cpp. What another processor needs that goes on where this has come to; and then
  // the records that were read and could not be taken yet. False if that is no state of this
  // release's: the processor is of no use then.
  std::string save();
  bool restore(std::string_view state);
  Batch take_rest();
  void introduce(Recorder* recorder) const;  // to what it has to know of what came before

  // One batch, by hand: for a recording, whose time is that of its batches.
  void replay(Batch batch);
  // Calls that could not be recorded.
  void lose_recorded(uint64_t calls) { events_.losses().add(LossReason::kSinkError, calls); }
  // The recording is over: ends what it left open, if it broke off, and writes all.
  void finish_replay();
  // Events that the outputs could not write.
  uint64_t lost_in_sink() const { return events_.lost_in_sink(); }

  // From any thread: from now on records are left, or counted as lost, rather than written.
  void stop() { stopping_.store(true); }
  // From any thread.
  uint64_t events_written() const { return events_told_.load(std::memory_order_relaxed); }

 private:
  struct Reference {
    uint64_t segment, position;
    uint32_t lane;
    bool operator==(const Reference&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Reference& r) {
      return H::combine(std::move(h), r.segment, r.position, r.lane);
    }
  };

  void take(Batch* batch);
  uint64_t now_ns() const;
  void consume(SegmentState* segment, uint32_t lane_number, LaneTrack* lane, uint64_t until);
  void control_record(SegmentState* segment, uint32_t lane_number, LaneTrack* lane,
                      const uint64_t* record, uint64_t position, uint64_t ticks);
  void message(SegmentState* segment, uint32_t lane_number, LaneTrack* lane,
               const AssembledMessage& message, uint64_t ticks);
  void begin_thread(SegmentState* segment, uint32_t lane_number, LaneTrack* lane,
                    const ThreadMessage& message);
  void add_module(Process* process, const AssembledMessage& message, uint64_t ticks);
  std::optional<ParentContext> resolve_context(const SegmentState& segment,
                                               const ThreadMessage& message) const;

  void notice(Notice* notice);
  void open_segment(const Notice& notice);
  void end_lane(const Notice& notice);
  void end_process(const Notice& notice);
  bool has_executed(const SegmentState& segment, const Process& process) const;
  void child_ended(SegmentState* segment, int pid, int status, uint64_t ticks);
  void close_segment(const Notice& notice);
  void end_exiting(SegmentState* segment, uint64_t ticks);
  void finish_thread(Thread* thread, ExitKind kind);
  void close_stacks(Process* process, ExitKind kind, uint64_t ticks);
  void finish_process(Process* process, ExitKind kind, uint64_t ticks);
  void decide_ended_threads(bool all);
  bool ended_alone(const Thread& thread) const;
  ExitKind kind_of(const Process& process) const;

  void span_opened(Thread* thread, const Frame& frame) override;
  void span_closed(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                   uint64_t end_ticks, bool upper_bound) override;
  void exit_without_entry(Thread* thread) override;
  void stack_forgotten(Thread* thread, uint64_t calls, uint64_t ticks) override;
  void tell_forgotten(Process* process, uint64_t ticks);
  void sort_in(std::vector<Notice>* notices);
  void take_samples(LaneTrack* lane, uint64_t until);
  void sampled(Thread* thread, const RunDelaySample& sample);
  void count(Thread* thread, const RunTimes& run);
  static ExitNote time_note(const Frame& frame, int64_t duration_ns);
  int64_t span_until(uint64_t ticks, uint64_t span) const;
  void wait(Thread* thread, uint64_t ticks, uint64_t waited);
  void preempt(Thread* thread, uint64_t ticks, uint64_t preempted);
  void apply_preemptions(LaneTrack* lane, uint64_t until);
  void write_exit(Thread* thread, const FrameStack& stack, const Frame& frame, ExitKind kind,
                  int64_t end_ns, bool upper_bound, Flight* flight);
  // processor_filter.cpp
  void decide_at_entry(Thread* thread, FrameStack* stack);
  bool decide_at_exit(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                      int64_t duration_ns);
  void write_held(Thread* thread, FrameStack* stack);
  EventPlace place_in(Thread* thread, FrameStack* stack, const Frame& frame, int64_t ns);

  // processor_errors.cpp
  void thrown(Thread* thread, const AssembledMessage& message, uint64_t ticks);
  void crashed(Thread* thread, const AssembledMessage& message);
  void unwound(Thread* thread, uint64_t word, uint64_t pc, uint64_t sp, uint64_t ticks);
  enum class Outcome { kCaught, kNotCaught, kLeft, kUnknown };
  Flight* flight_that_left(Thread* thread, FrameStack* stack, const Frame& frame, ExitKind kind,
                           int64_t ns);
  void end_flight(Thread* thread, Outcome outcome, uint64_t pc, FrameStack* stack,
                  const Frame& frame, int64_t ns);
  void describe_death(Thread* thread, const FrameStack& stack, const Frame& frame, ExitKind kind,
                      ErrorText* error);
  bool returns_from_main(const Thread& thread, const FrameStack& stack, const Frame& frame,
                         ExitKind kind, bool upper_bound) const;
  void hold_main(Thread* thread, const Frame& frame, int64_t end_ns);
  void release_main(Thread* thread, int status);

  // For spans of operations (span_placer.h).
  int64_t to_ns(uint64_t ticks) override { return clock_->to_ns(ticks); }
  void needed(Thread* thread, FrameStack* stack) override {
    if (filtering_) write_held(thread, stack);
  }

  void lose(Thread* thread, uint64_t calls, uint64_t ticks, bool now);
  void lose_in_segment(SegmentState* segment, LossReason reason, uint64_t calls, uint64_t ticks);
  void print_summary();
  void write_totals();
  // processor_state.cpp
  template <typename Archive>
  void io(Archive& a);
  template <typename Archive>
  void io_segment(Archive& a, std::vector<std::shared_ptr<uint64_t>>* counters,
                  SegmentState* segment);
  template <typename Archive>
  void io_process(Archive& a, std::vector<std::shared_ptr<uint64_t>>* counters,
                  SegmentState* segment, Process* process);
  template <typename Archive>
  void io_outputs(Archive& a);
  template <typename Archive>
  void io_undecided(Archive& a);

  BatchQueue* queue_;
  ClockKeeper* clock_;
  Options options_;
  const bool filtering_;
  Hooks hooks_;
  std::atomic<bool> stopping_{false};
  EventWriter events_;
  ModuleCache modules_{[this](uint64_t ticks) { return clock_->to_ns(ticks); }};
  SiteCache sites_{&options_.filter};
  StackNamer stacks_;
  std::map<SegmentId, SegmentState> segments_;
  absl::flat_hash_map<Reference, ParentContext> references_;
  std::deque<Reference> reference_order_;
  std::deque<Thread*> undecided_;
  SpanPlacer placer_{this};
  OperationKinds operations_;
  bool leaves_ = false;  // when it is stopped, rather than to lose
  std::atomic<uint64_t> events_told_{0};
  uint64_t replay_ticks_ = 0;
  GivingWay giving_way_;
  bool over_ = false;
};

}  // namespace telinject::drain
