// Takes the processor's place where events are to be made later: what would be processed goes to a
// recording as it is.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "shim/drain/batch_queue.h"
#include "shim/drain/clock_map.h"
#include "shim/drain/lane_merge.h"
#include "shim/drain/message_assembler.h"
#include "shim/drain/recording.h"

namespace telinject {

class Recorder {
 public:
  struct Hooks {
    std::function<void(int pid)> watch;  // tell me when this process ends
    std::function<void()> written;       // telrun's program has ended, and all is written
    std::atomic<uint64_t>* progress;     // bumped with each batch
    // Asked when records come, and with `last` at the end: more facts, once they are known; else
    // "".
    std::function<std::string(bool last)> facts;
  };

  // `facts` is what the processor of the recording will be told of where it ran.
  // `first` is the moment whose wall clock time the facts have, some time ago.
  Recorder(BatchQueue* queue, ClockKind clock, std::unique_ptr<RecordingWriter> writer,
           const std::string& facts, ClockAnchor first, Hooks hooks);

  // Runs until kLastWords. One line on standard error if something could not be written.
  void run();

  uint64_t bytes() const { return writer_->bytes(); }
  uint64_t lost_batches() const { return lost_batches_; }

 private:
  // Of a segment: enough to find the processes that should be watched.
  struct Segment {
    std::shared_ptr<const SegmentInfo> info;
    int os_pid = 0;
    std::set<uint64_t> processes;
  };
  // A lane whose thread has not introduced itself yet.
  struct Newcomer {
    LaneStream stream;
    MessageAssembler messages;
    bool known = false;
  };

  void keep_time();
  void add_facts(bool last);
  void take(const Batch& batch);
  void look_for_processes(const LaneRun& run);
  void notice(const Notice& notice);

  BatchQueue* queue_;
  ClockKind clock_;
  std::unique_ptr<RecordingWriter> writer_;
  Hooks hooks_;
  std::map<SegmentId, Segment> segments_;
  std::map<std::pair<SegmentId, uint32_t>, Newcomer> lanes_;
  uint64_t next_anchor_ns_ = 0;
  uint64_t lost_batches_ = 0;
  bool over_ = false, all_facts_ = false, any_records_ = false;
};

}  // namespace telinject
