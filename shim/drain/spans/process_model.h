// What the drain knows of the programs it serves: segments, processes, threads.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shim/channel/layout.h"
#include "shim/drain/naming/code_map.h"
#include "shim/drain/naming/site_table.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/lane_merge.h"
#include "shim/drain/records/message_assembler.h"
#include "shim/drain/records/run_times.h"
#include "shim/drain/spans/http_state.h"
#include "shim/drain/spans/open_operations.h"
#include "shim/drain/spans/thread_state.h"
#include "shim/drain/tree/call_tree.h"
#include "shim/drain/tree/flights.h"
#include "shim/events/event.h"

namespace telinject::drain {

struct Process;

// What a thread's call tree tells of its frames (CallSpans).
class SpanWriter {
 public:
  virtual ~SpanWriter() = default;
  virtual void span_opened(struct Thread* thread, const Frame& frame) = 0;
  // `stack` is the one that the frame lay on.
  virtual void span_closed(struct Thread* thread, FrameStack* stack, const Frame& frame,
                           ExitKind kind, uint64_t end_ticks, bool upper_bound) = 0;
  virtual void exit_without_entry(struct Thread* thread) = 0;
  virtual void stack_forgotten(struct Thread* thread, uint64_t calls, uint64_t ticks) = 0;
};

struct Thread final : CallTree::Listener {
  Thread(Process* process, SegmentKey key, uint32_t lane, const ThreadMessage& message,
         std::optional<ParentContext> context, SpanWriter* writer);

  void opened(CallTree*, const Frame& frame) override { writer->span_opened(this, frame); }
  void closed(CallTree*, const Frame& frame, ExitKind kind, uint64_t at_ticks,
              bool upper_bound) override {
    writer->span_closed(this, tree.stack(), frame, kind, at_ticks, upper_bound);
  }
  void orphan_exit(CallTree*) override { writer->exit_without_entry(this); }
  void stack_forgotten(CallTree*, uint64_t calls, uint64_t ticks) override {
    writer->stack_forgotten(this, calls, ticks);
  }
  void set_name(std::string name);

  // Without decide_by_ns and undecided, which are this processor's own, and the operations that it
  // serves (process_table_state.cpp).
  template <typename Archive>
  void io(Archive& a) {
    a(info, tree, ended, ended_before_process, end_ticks, errors, losses, run_delay);
  }

  Process* process;
  SpanWriter* writer;
  ThreadInfo info;
  CallTree tree;
  bool ended = false;                 // its lane has; if spans are open, why is to be found out
  bool ended_before_process = false;  // the process said so at its end
  uint64_t end_ticks = 0;
  uint64_t decide_by_ns = 0;  // monotonic; then it counts as the end of the thread alone
  uint64_t undecided = 0;     // its number among those, or 0 (process_ends.h)
  ErrorState errors;
  LossesTold losses;
  RunDelayTrack run_delay;
  std::vector<OpenOperation*> servers;  // operations that it serves, and that are open
  OpenOperation* serving = nullptr;     // the one of them that its calls belong to
};

// One process as long as it executes one program: after exec it is another.
struct Process {
  Process(uint64_t process_id, int process_pid, ModuleCache* modules, SiteCache* sites_cache)
      : id(process_id), pid(process_pid), code(modules), sites(&code, sites_cache) {}

  uint64_t id;
  int pid;
  int os_pid = 0;  // in our own PID namespace, 0 if not known
  CodeMap code;
  SiteTable sites;
  SharedStacks stacks;
  struct SegmentState* segment = nullptr;
  ProcessInfo info;  // known at its first event, before which it is introduced to the outputs
  bool introduced = false;
  bool counted = false;  // in the summary: it has made a call
  std::shared_ptr<uint64_t> sequence = std::make_shared<uint64_t>(0);
  bool first = false;     // of its segment: what others are forked from
  bool executed = false;  // another program: this one is over
  ForgottenCalls forgotten;
  uint32_t unknown_losses_told = 0;  // a bit for each LossReason
  bool exiting = false;              // said so itself, and when
  uint64_t exit_ticks = 0;
  bool ended = false;
  bool reaped = false;  // so its parent knows how it ended, and may say so
  // Waits to be forgotten (process_ends.h): it has ended; or nobody says whether it has, and at
  // this time (monotonic) it counts as ended.
  bool leaving = false, unseen = false;
  uint64_t due_ns = 0;
  ProcessEnd end;
  std::optional<int> said_status;  // by itself, when it was about to exit
  int exit_status() const;         // 0 if it is not known, or it did not exit
  std::optional<Crash> crash;
  std::vector<std::unique_ptr<Thread>> threads;
  OperationStates operations;  // of each kind, made at its first message

  // Without the threads, the stacks, the sequence and the operations (process_table_state.cpp), and
  // the sites, which are found again.
  template <typename Archive>
  void io(Archive& a) {
    a(id, pid, os_pid, code, counted, first, executed, exiting, exit_ticks, ended, reaped, end,
      said_status, crash, forgotten, unknown_losses_told, info, introduced);
  }
};

// A lane's records on their way into its thread's tree.
struct LaneTrack {
  LaneStream stream;
  LaneStream preemptions;  // of its shadow lane (context_switches.h)
  MessageAssembler messages;
  Thread* thread = nullptr;
  // Whose time has not come: they are of the moment behind some record.
  std::deque<RunDelaySample> samples;
};

struct SegmentState {
  std::shared_ptr<const SegmentInfo> info;
  SegmentId id = 0;
  int os_pid = 0;
  bool executed = false;  // its first process has executed another program
  std::map<uint32_t, LaneTrack> lanes;
  std::map<uint64_t, std::unique_ptr<Process>> processes;  // by id
  Process* first = nullptr;                                // stays as long as the segment
  std::multimap<int, Process*> by_pid;                     // also by the pid that the system has
  // The code of processes that were forgotten, where it is not the first one's: what they forked
  // may yet be heard of. The last kMostGone of them.
  static constexpr size_t kMostGone = 256;
  std::deque<std::pair<uint64_t, CodeMap>> gone;
  uint64_t notes = 0;  // ids of spans without a record
  HttpConnections http_connections;
};

// A lane, by its number in its segment.
struct LanePlace {
  SegmentState* segment;
  uint32_t number;
  LaneTrack* lane;
};

}  // namespace telinject::drain
