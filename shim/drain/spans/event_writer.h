// From the processor's side to the outputs: gives events their numbers, in each process's order,
// and counts them.
//
// A process is introduced to the outputs before its first event, which waits for the metadata; a
// function before its first call. What is lost is told as events, and counted by its reason.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/report/error_totals.h"
#include "shim/drain/report/losses.h"
#include "shim/drain/report/summary.h"
#include "shim/drain/spans/process_model.h"
#include "shim/drain/spans/shared_counters.h"
#include "shim/events/event_output.h"
#include "shim/events/operation_span.h"
#include "shim/events/totals.h"
#include "shim/metadata/metadata_thread.h"

namespace telinject::drain {

class EventWriter {
 public:
  struct Options {
    Metadata metadata;                 // without a finder
    MetadataThread* finder = nullptr;  // started when the first event is to be written
    uint64_t sample_rate = kRateOne;
  };

  // `queue` may be null without a finder. Once `stopping`, no event waits for metadata.
  EventWriter(EventOutputs outputs, Options options, BatchQueue* queue,
              const std::atomic<bool>* stopping);

  // Events will follow: the metadata is looked for from now on.
  void expect_events();

  // Numbers go on when a process executes another program, and start anew in a forked child.
  // (Which may have executed one before the records come that it was forked.)
  std::shared_ptr<uint64_t> sequence_of(const SegmentState& segment, int os_pid, int pid_there);
  void end_sequence(int os_pid) { sequences_.erase({0, os_pid}); }
  // The segment's, which is about to go.
  void drop_sequences(const SegmentState& segment);
  // No more events of it will come.
  void forget(Process* process);
  void forget(const Site& site);

  // Before the first event that is written of it, whose time is `ns`. Each function below does it,
  // too.
  void introduce(Process* process, int64_t ns) {
    if (!process->introduced) introduce_now(process, ns);
  }

  // `outermost`: the first call on its stack.
  void entry(Thread* thread, const Frame& frame, bool outermost);
  // `note` and `error` may be null.
  void exit(Thread* thread, const Frame& frame, int64_t end_ns, const ExitNote* note,
            const ErrorInfo* error);
  void start(Process* process, const OperationSpan& span, const Operation& operation);
  void end(Process* process, const OperationSpan& span, int64_t end_ns, const Operation& operation,
           Severity severity, const ErrorInfo* error);
  // All but process and sequence number are set.
  void note(Process* process, PointEvent* event);
  // Calls that were not recorded, as an event; they are counted already. In the trace, if one is
  // given, of a thread, if one is given.
  void tell_loss(Process* process, const Thread* thread, LossReason reason, uint64_t calls,
                 int64_t ns, TraceId trace = {});

  void count_process(Process* process);

  // To the outputs' destinations, which may keep it back; and to where it shall be in the end.
  void pass_on();
  void flush();
  void hurry();
  // Nothing more will come, or another writer goes on from here.
  void conclude();
  // Writes what an output keeps to be asked for; nullopt if there is no such one.
  std::optional<Notice::Dumped> dump();
  // Where events go, for the user.
  std::string describe_destinations() const;
  // When an output wants to know the totals next; and tells them.
  std::chrono::steady_clock::time_point totals_due() const;
  void tell_totals(const TotalsSource& totals);
  // Spans that outputs kept back of their own accord.
  uint64_t left_out_spans() const;
  // Waits for it as before the first event.
  const Metadata& metadata();
  // Of the first process that is known; 0 if there is none.
  int first_pid() const { return first_pid_; }
  // Counts what the outputs could not write.
  void count_lost();
  uint64_t lost_in_sink() const { return lost_in_sink_; }

  SummaryFacts& facts() { return facts_; }
  Losses& losses() { return losses_; }
  ErrorTotals& errors() { return errors_; }
  void count_bytes();  // into the facts

  template <typename Archive>
  void io(Archive& a, SharedCounters* counters);
  // The outputs' states, once it is known which processes there are.
  template <typename Archive>
  void io_outputs(Archive& a, const std::vector<Process*>& processes);

 private:
  // By PID namespace, 0 our own, and pid in it: across exec.
  using ProcessKey = std::pair<uint64_t, int>;
  class NotePlaces;

  EventPlace next_place(Process* process, int64_t ns, TraceId trace, uint64_t span,
                        uint64_t parent);
  EventPlace note_place(Process* process, int64_t ns);
  void introduce_now(Process* process, int64_t ns);
  void introduce_now(const Site& site, Process* process, int64_t ns);
  void find_facts(Process* process);
  std::vector<std::string> save_outputs() const;
  bool restore_outputs(const std::vector<std::string>& states,
                       const std::vector<Process*>& processes);

  uint64_t number(Process* process) const {
    if (!numbers_) return 0;
    return ++*process->sequence;
  }
  void count_event() {
    if (numbers_) facts_.events++;
  }

  EventOutputs outputs_;
  std::vector<EventOutput*> takers_;  // of events, among the outputs
  bool numbers_ = true;               // else one of them does
  Options options_;
  BatchQueue* queue_;
  const std::atomic<bool>* stopping_;
  bool metadata_found_ = false;
  std::map<ProcessKey, std::shared_ptr<uint64_t>> sequences_;
  // Numbers of processes: those that are free, and the first that was never used.
  std::vector<uint32_t> free_numbers_;
  uint32_t next_number_ = 0;
  SummaryFacts facts_;
  Losses losses_;
  ErrorTotals errors_;
  int first_pid_ = 0;
  uint64_t lost_in_sink_ = 0;
};

template <typename Archive>
void EventWriter::io(Archive& a, SharedCounters* counters) {
  a(facts_, losses_, errors_, first_pid_);
  std::vector<ProcessKey> keys;
  for (auto& [key, sequence] : sequences_) keys.push_back(key);
  a(keys);
  for (const ProcessKey& key : keys) counters->io(a, &sequences_[key]);
}

template <typename Archive>
void EventWriter::io_outputs(Archive& a, const std::vector<Process*>& processes) {
  std::vector<std::string> states;
  if (!Archive::kReads) states = save_outputs();
  a(states);
  if (!Archive::kReads || !a.good()) return;
  if (!restore_outputs(states, processes)) a.fail();
}

}  // namespace telinject::drain
