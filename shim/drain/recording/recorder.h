// Takes the processor's place where events are to be made later: what would be processed goes to a
// recording as it is.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/recording/recording.h"
#include "shim/drain/records/clock_map.h"
#include "shim/drain/records/lane_merge.h"
#include "shim/drain/records/message_assembler.h"
#include "shim/sinks/worker_thread.h"

namespace telinject::drain {

class Recorder {
 public:
  struct Hooks {
    // Tell me when this forked child ends.
    std::function<void(SegmentId segment, int pid)> watch;
    std::function<void()> written;    // telrun's program has ended, and all is written
    std::atomic<uint64_t>* progress;  // bumped with each batch
    // Asked when records come, and with `last` at the end: more facts, once they are known; else
    // "".
    std::function<std::string(bool last)> facts;
    std::function<void()> encoded = [] {};  // before anything is said at the program's end
  };

  // `facts` is what the processor of the recording will be told of where it ran.
  // `first` is the moment whose wall clock time the facts have, some time ago.
  Recorder(BatchQueue* queue, ClockKind clock, std::unique_ptr<RecordingWriter> writer,
           const std::string& facts, ClockAnchor first, Hooks hooks);

  // Before run(). For records whose beginning a processor has made events of: its state, and what
  // it knows; and batches that have been taken from the queue.
  bool go_on_from(const std::string& state);  // false if there is no room for it
  void know(SegmentId segment, std::shared_ptr<const SegmentInfo> info, int os_pid);
  void know(SegmentId segment, uint32_t lane);
  void record(const Batch& batch);

  // Runs until kLastWords. Where the disk is full it waits for room as long as the program runs:
  // the queue fills up, and then whole calls are dropped where they are made, and counted. What is
  // still left at the program's end is lost. The recording says how many calls that are; one line
  // on standard error says that there are some.
  void run();

  uint64_t bytes() const { return writer_->bytes(); }

 private:
  // What is known of a segment: enough to find the processes that should be watched.
  struct Segment {
    std::shared_ptr<const SegmentInfo> info;
    int os_pid = 0;
    // Forked children that were heard of last: to ask for another one twice does no harm.
    static constexpr size_t kMostProcesses = 4096;
    std::set<uint64_t> processes;
    std::deque<uint64_t> by_age;

    bool is_new(uint64_t process);
  };
  // A lane whose thread has not introduced itself yet.
  struct Newcomer {
    LaneStream stream;
    MessageAssembler messages;
    bool known = false;
  };

  void keep_time();
  void write(const Batch& batch);
  void tell_losses();
  void add_facts(bool last);
  void take(const Batch& batch);
  void look_for_processes(const LaneRun& run);
  void notice(const Notice& notice);

  BatchQueue* queue_;
  RecordUnpacker unpacker_;
  RecordMemory memory_;
  ClockKind clock_;
  std::unique_ptr<RecordingWriter> writer_;
  Hooks hooks_;
  std::map<SegmentId, Segment> segments_;
  std::map<std::pair<SegmentId, uint32_t>, Newcomer> lanes_;
  GivingWay giving_way_;
  uint64_t next_anchor_ns_ = 0;
  // No room, and no time to wait for it: only what has been lost by that, and what happens besides
  // records, is to be written still.
  bool broken_ = false, warned_ = false;
  uint64_t lost_calls_ = 0;
  Batch rest_;
  bool over_ = false, all_facts_ = false, any_records_ = false;
};

}  // namespace telinject::drain
