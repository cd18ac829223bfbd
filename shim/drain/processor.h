// The processor: records in, events out.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "shim/channel/settings.h"
#include "shim/drain/batch_queue.h"
#include "shim/drain/clock_keeper.h"
#include "shim/drain/losses.h"
#include "shim/drain/process_model.h"
#include "shim/drain/stack_text.h"
#include "shim/drain/summary.h"
#include "shim/events/event_encoder.h"
#include "shim/metadata/host.h"
#include "shim/metadata/service.h"
#include "shim/sinks/sink.h"

namespace telinject {

class Processor final : SpanWriter {
 public:
  struct Options {
    Service service;
    Host host;
    uint64_t sample_rate = kRateOne;
    bool summary = false;
    bool replay = false;  // of a recording: nothing of it is to be looked up on this machine
    std::string output;   // the settings' word for the sink's file, for the summary's next command
  };
  // What the processor asks of the rest.
  struct Hooks {
    std::function<void(int pid)> watch;  // tell me when this process ends
    std::function<void()> written;       // telrun's program has ended, and all is written
    std::atomic<uint64_t>* progress;     // bumped with each batch
  };

  Processor(BatchQueue* queue, ClockKeeper* clock, std::unique_ptr<Sink> sink, Options options,
            Hooks hooks);

  // Runs until kLastWords.
  void run();

  // One batch, by hand: for a recording, whose time is that of its batches.
  void replay(Batch batch);
  // The recording is over: ends what it left open, if it broke off, and writes all.
  void finish_replay();
  uint64_t lost_in_sink() const { return losses_.count(LossReason::kSinkError); }

  // From any thread: from now on records are counted as lost rather than written.
  void stop() { stopping_.store(true); }

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
  void child_ended(SegmentState* segment, int pid, int status, uint64_t ticks);
  void close_segment(const Notice& notice);
  void end_exiting(SegmentState* segment, uint64_t ticks);
  void finish_thread(Thread* thread, ExitKind kind);
  void finish_process(Process* process, ExitKind kind, uint64_t ticks);
  void decide_ended_threads(bool all);
  bool ended_alone(const Thread& thread) const;
  ExitKind kind_of(const Process& process) const;

  void span_opened(Thread* thread, const Frame& frame) override;
  void span_closed(Thread* thread, const Frame& frame, ExitKind kind, uint64_t end_ticks,
                   bool upper_bound) override;
  void exit_without_entry(Thread* thread) override;

  // processor_errors.cpp
  void thrown(Thread* thread, const AssembledMessage& message, uint64_t ticks);
  void crashed(Thread* thread, const AssembledMessage& message);
  void unwound(Thread* thread, uint64_t word, uint64_t pc, uint64_t sp, uint64_t ticks);
  enum class Outcome { kCaught, kNotCaught, kLeft, kUnknown };
  Flight* flight_that_left(Thread* thread, const Frame& frame, ExitKind kind, int64_t ns);
  void end_flight(Thread* thread, Outcome outcome, uint64_t pc, const Frame& frame, int64_t ns);
  void describe_death(Thread* thread, const Frame& frame, ExitKind kind, ErrorText* error);
  void hold_main(Thread* thread, const Frame& frame, int64_t end_ns);
  void release_main(Thread* thread, int status);

  void lose(Thread* thread, uint64_t calls, uint64_t ticks, bool now);
  void lose_in_segment(SegmentState* segment, LossReason reason, uint64_t calls, uint64_t ticks);
  const ProcessText& text_of(Process* process);
  void flush();
  void flush_if_large();
  void print_summary();

  BatchQueue* queue_;
  ClockKeeper* clock_;
  std::unique_ptr<Sink> sink_;
  Options options_;
  Hooks hooks_;
  LineBuffer lines_;
  EventEncoder encoder_{&lines_};
  ModuleCache modules_{[this](uint64_t ticks) { return clock_->to_ns(ticks); }};
  SiteCache sites_;
  StackNamer stacks_;
  std::map<SegmentId, SegmentState> segments_;
  std::map<int, std::shared_ptr<uint64_t>> sequences_;  // by os_pid, across exec
  absl::flat_hash_map<Reference, ParentContext> references_;
  std::deque<Reference> reference_order_;
  std::deque<Thread*> undecided_;
  Losses losses_;
  SummaryFacts facts_;
  std::atomic<bool> stopping_{false};
  uint64_t replay_ticks_ = 0;
  bool over_ = false;
};

}  // namespace telinject
