// The processor: records in, events out.
//
// Takes batches of records and notices: gives records to their lanes, lets the lanes be taken in
// the order of their times, and passes each notice to the part that acts on it. Owns those parts,
// of which each knows only those below it: shim/drain/README.md says who uses whom.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/channel/settings.h"
#include "shim/drain/naming/stack_text.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/clock_keeper.h"
#include "shim/drain/report/totals_report.h"
#include "shim/drain/spans/call_losses.h"
#include "shim/drain/spans/call_spans.h"
#include "shim/drain/spans/code_sweep.h"
#include "shim/drain/spans/decision_time.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/exception_spans.h"
#include "shim/drain/spans/exit_errors.h"
#include "shim/drain/spans/final_reports.h"
#include "shim/drain/spans/operation_kinds.h"
#include "shim/drain/spans/operation_parents.h"
#include "shim/drain/spans/process_ends.h"
#include "shim/drain/spans/process_table.h"
#include "shim/drain/spans/record_router.h"
#include "shim/drain/spans/span_emitter.h"
#include "shim/drain/spans/spawn_contexts.h"
#include "shim/drain/spans/time_away.h"
#include "shim/drain/spans/totals_view.h"
#include "shim/events/event_output.h"
#include "shim/metadata/metadata_thread.h"
#include "shim/sinks/worker_thread.h"

namespace telinject::drain {

class Recorder;

class Processor {
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
    bool totals_when_flushed = false;      // a program's end waits for a flush only
    int64_t started_ns = 0;                // since 1970: what is counted is counted since then
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
  Batch take_rest() { return table_.take_rest(); }
  // To what it has to know of what came before.
  void introduce(Recorder* recorder) const { table_.introduce(recorder); }

  // One batch, by hand: for a recording, whose time is that of its batches.
  void replay(Batch batch) { take(&batch); }
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
  Batch next();
  void tell_totals();
  void take(Batch* batch);
  void append(LaneRun* run);
  void sort_in(const std::vector<RunDelaySample>& samples);
  void take_records(uint64_t watermark);
  void take_notice(const Notice& notice);
  void end_lane(const Notice& notice);
  void flush(const Notice& notice);
  void dump(const Notice& notice);
  void end_program();
  void finish();
  bool interrupted() const { return stopping_.load(std::memory_order_relaxed); }
  template <typename Archive>
  void io(Archive& a);  // processor_state.cpp

  BatchQueue* queue_;
  ClockKeeper* clock_;
  Options options_;
  Hooks hooks_;
  std::atomic<bool> stopping_{false};
  // The parts, each after those that it calls.
  DecisionTime time_;
  ModuleCache modules_{[this](uint64_t ticks) { return clock_->to_ns(ticks); }};
  SiteCache sites_{&options_.filter};
  StackNamer stacks_;
  EventWriter events_;
  SpawnContexts spawn_contexts_;
  TimeAway time_away_;
  CallLosses losses_;
  SpanEmitter emitter_;
  ExceptionSpans exceptions_;
  ExitErrors exit_errors_;
  CallSpans calls_;
  OperationParents operation_parents_;
  SpanPlacer placer_;
  OperationKinds operations_;
  ProcessTable table_;
  ProcessEnds ends_;
  RecordRouter router_;
  CodeSweep code_sweep_;
  FinalReports reports_;
  // Not saved: they are this processor's own.
  bool leaves_ = false;  // when it is stopped, rather than to lose
  bool over_ = false;
  bool totals_told_ = false;  // as they are now
  std::chrono::steady_clock::time_point totals_told_at_;
  std::atomic<uint64_t> events_told_{0};
  GivingWay giving_way_;
};

}  // namespace telinject::drain
