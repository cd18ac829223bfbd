// How threads and processes end, and why: their lanes end, the collector sees their processes end,
// a parent tells of its child, or they say so themselves; in any order. What they left open is
// ended with them, by the kind of end that it was.
//
// A thread that ends with open calls may have ended alone or with its process, of which the news is
// still to come: it stays undecided for a moment.
//
// A process is forgotten once it has ended, has no thread left, and all is there that was recorded
// before its end was told: what is kept, and looked through, is of processes that run. The first
// process of a segment stays as long as that.
//
// Owns the lists of undecided threads and of processes to be forgotten; and, in the model, how
// threads and processes ended.
//
// Promises: whatever is open is ended once, before its thread, process or segment is forgotten.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/spans/call_losses.h"
#include "shim/drain/spans/call_spans.h"
#include "shim/drain/spans/decision_time.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/exit_errors.h"
#include "shim/drain/spans/operation_kinds.h"
#include "shim/drain/spans/process_model.h"
#include "shim/drain/spans/process_table.h"

namespace telinject::drain {

class ProcessEnds {
 public:
  ProcessEnds(const DecisionTime* time, ProcessTable* table, CallSpans* calls,
              ExitErrors* exit_errors, CallLosses* losses, OperationKinds* operations,
              EventWriter* events)
      : time_(time),
        table_(table),
        calls_(calls),
        exit_errors_(exit_errors),
        losses_(losses),
        operations_(operations),
        events_(events) {}

  // As the process itself says.
  void process_exits(Process* process, uint64_t ticks, std::optional<int> status);
  // Its lane's owner ended before its process did.
  void thread_ended_first(SegmentState* segment, uint32_t lane, const Process* process);
  // By its parent, who has waited for it. What its threads wrote comes before, by time; the news
  // that they have ended may come after.
  void child_ended(SegmentState* segment, int pid, int status, uint64_t ticks);

  // As the collector sees it (kLaneEnded, all of whose records have been taken; kProcessEnded;
  // kSegmentClosed). `last_ticks`: of the lane's last record.
  void lane_ended(Thread* thread, const Notice& notice, uint64_t last_ticks);
  void process_ended(const Notice& notice);
  void segment_closed(const Notice& notice);

  // Processes that wait at their end for their spans to be written will make no more.
  void end_exiting(SegmentState* segment, uint64_t ticks);
  // Ends undecided threads: those whose time is over, or all.
  void decide(bool all);
  // Forgets processes that have ended. All records before `watermark` have been taken.
  void forget(uint64_t watermark);

  template <typename Archive>
  void io(Archive& a);  // processor_state.cpp

 private:
  // A process without threads that has ended, or that nobody will say has.
  struct Leaving {
    SegmentId segment = 0;
    uint64_t process = 0;
    uint64_t ticks = 0;  // when that was told

    template <typename Archive>
    void io(Archive& a) {
      a(segment, process, ticks);
    }
  };

  void leave_if_over(Process* process, uint64_t ticks);
  void wait_unseen(Process* process, const Leaving& leaving, uint64_t due_ns);
  void forget_unseen(Process* process);
  void add_undecided(Thread* thread);
  void forget_ended(uint64_t watermark);
  void end_unseen();
  template <typename Archive>
  void io_undecided(Archive& a);
  template <typename Archive>
  void io_unseen(Archive& a);
  void end(Process* process, ProcessEnd how, bool executed, uint64_t ticks);
  void end_with_segment(Process* process, const SegmentState& segment, const Notice& notice);
  void finish_process(Process* process, ExitKind kind, uint64_t ticks);
  void finish_thread(Thread* thread, ExitKind kind);
  bool finish_coroutines(Thread* last, ExitKind kind);
  void decide(Thread* thread, uint64_t now_ns, bool all, bool others);
  void end_exiting(Process* process, uint64_t ticks);

  const DecisionTime* time_;
  ProcessTable* table_;
  CallSpans* calls_;
  ExitErrors* exit_errors_;
  CallLosses* losses_;
  OperationKinds* operations_;
  EventWriter* events_;
  std::map<uint64_t, Thread*> undecided_;  // by Thread::undecided, which rises
  uint64_t last_undecided_ = 0;
  std::deque<Leaving> ended_;                // those that have ended
  std::multimap<uint64_t, Leaving> unseen_;  // whose end nobody tells, by Process::due_ns
};

}  // namespace telinject::drain
