// The programs that are traced, as far as their records tell: segments, the processes and threads
// in them, and the lanes whose records belong to the threads.
//
// Owns them all, and saves them with all that the other parts keep in them. How they end is decided
// elsewhere (process_ends.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "shim/channel/message.h"
#include "shim/drain/naming/code_map.h"
#include "shim/drain/naming/site_table.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/message_assembler.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/process_model.h"
#include "shim/drain/spans/shared_counters.h"

namespace telinject::drain {

class Recorder;

class ProcessTable {
 public:
  struct Options {
    bool replay = false;  // nothing is to be looked up on this machine
    // Is told of forked children, so that their end will be noticed.
    std::function<void(SegmentId segment, int pid)> watch;
  };

  // `writer`: of all threads' spans.
  ProcessTable(ModuleCache* modules, SiteCache* sites, SpanWriter* writer, EventWriter* events,
               Options options)
      : modules_(modules),
        sites_(sites),
        writer_(writer),
        events_(events),
        options_(std::move(options)) {}

  // Made if it is not there: what is told of one before it is opened is no reason to fail.
  SegmentState* segment(SegmentId id) { return &segments_[id]; }
  SegmentState* find(SegmentId id);
  LaneTrack* find_lane(SegmentId id, uint32_t lane);
  std::optional<SegmentId> first_segment() const;
  std::vector<LanePlace> lanes();  // of open segments
  std::vector<LanePlace> lanes_with_records();
  // A forked child has executed a program, as far as it can be seen before the news of it come.
  bool has_executed(const SegmentState& segment, const Process& process) const;

  void open_segment(const Notice& notice);
  void drop_segment(SegmentId id);
  // The processes of the segment with this pid, as they or as the system see it.
  static std::vector<Process*> with_pid(const SegmentState& segment, int pid);
  // Null if it is not known, or not any more.
  Process* find_process(SegmentId segment, uint64_t id);
  // It has no threads, and will have no more.
  void forget(Process* process);
  // The thread that writes the lane from here on. Its roots continue `context`.
  void begin_thread(const LanePlace& at, const ThreadMessage& message,
                    std::optional<ParentContext> context);
  void add_module(Process* process, const AssembledMessage& message, uint64_t ticks);

  // What has been read and not been taken.
  Batch take_rest();
  // The recorder gets to know what has come before it.
  void introduce(Recorder* recorder) const;

  // process_table_state.cpp. The modules and sites have been enrolled.
  template <typename Archive>
  void io(Archive& a, SharedCounters* counters);
  std::vector<Process*> processes();

 private:
  Process* process_of(SegmentState* segment, const ThreadMessage& message);
  static void take_code(const SegmentState& segment, const ThreadMessage& message,
                        Process* process);
  static void enter(SegmentState* segment, Process* process);
  static std::tuple<uint64_t, int, SegmentId> place_of(const SegmentState& segment);
  template <typename Archive>
  void io_segment(Archive& a, SharedCounters* counters, SegmentState* segment);
  template <typename Archive>
  void io_processes(Archive& a, SharedCounters* counters, SegmentState* segment);
  template <typename Archive>
  void io_gone(Archive& a, SegmentState* segment);
  template <typename Archive>
  void io_process(Archive& a, SharedCounters* counters, SegmentState* segment, Process* process);

  ModuleCache* modules_;
  SiteCache* sites_;
  SpanWriter* writer_;
  EventWriter* events_;
  Options options_;
  std::map<SegmentId, SegmentState> segments_;
  // Those that are open, by the PID namespace and number of their first process.
  std::set<std::tuple<uint64_t, int, SegmentId>> segments_of_pid_;
};

}  // namespace telinject::drain
