// The collector: copies records out of all lanes, in rounds, and keeps an eye on who still lives.
//
// A round takes what is complete, then pauses. How it pauses depends on where the program runs. On
// another core a short nap is cheapest. On the collector's own core each waking takes the core away
// from the program, so the program rings when much waits (its doorbell). After a while without
// records the collector sleeps on the segments' doorbells; programs that may make no system call
// are looked at every millisecond.
//
// It shares out the memory in which records may wait: what the queue does not use the lanes may.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "shim/drain/collect/context_switches.h"
#include "shim/drain/collect/message_gate.h"
#include "shim/drain/collect/run_delay.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/lane_reader.h"
#include "shim/drain/records/robust_list.h"
#include "shim/drain/records/segment_view.h"
#include "shim/redaction/redactor.h"

namespace telinject::drain {

// What the control thread tells the collector; becomes a notice behind the records of the round in
// which it arrives.
struct CollectorCommand {
  Notice notice;
  // kSegmentOpened. The ring: of its process's first thread, or null.
  std::unique_ptr<SegmentView> segment = nullptr;
  std::unique_ptr<SwitchRing> switches = nullptr;
};

// What records may take that wait, in lanes and queue together: at most; and whether that is what
// the user wants, or follows the memory that is left (shim/channel/limits.h).
struct WaitingBytes {
  uint64_t most;
  bool fixed;
};

class Collector {
 public:
  // To be made and run by one thread: its robust list belongs to that. `progress` is bumped by the
  // processor with each batch: while the queue is full and it stands still, the heart does not
  // beat, so that no program waits for a sink that hangs.
  // `redactors`: of messages; `texts`: of command lines and paths. It is done here, before anything
  // can come to a disk.
  Collector(BatchQueue* queue, ClockKind clock, const WaitingBytes& waiting,
            const std::atomic<uint64_t>* progress, MessageRedactors redactors,
            redaction::Redactor texts = redaction::Redactor());
  ~Collector();

  // From any thread; wakes the collector. For kSegmentOpened returns the segment's number, which is
  // made here; every other notice about it has to name it.
  SegmentId tell(CollectorCommand command);
  // The number of segments that are open; from any thread.
  size_t open_segments() const { return open_segments_.load(); }

  // Whether processes have been told to have ended of which not all is read; from any thread.
  bool has_ends_to_read() const { return ends_told_.load() != ends_read_.load(); }

  // Runs until a kLastWords command has been passed on.
  void run();

 private:
  struct OpenLane {
    LaneReader reader;
    uint64_t filled_ns = 0;  // when it was last seen to have a complete chunk
    uint64_t seen_ns = 0;    // when it was first seen to have records
    bool watched = false;    // by switches_, or in vain
  };
  struct OpenSegment {
    std::unique_ptr<SegmentView> view;
    std::unique_ptr<ChunkPool> pool;
    uint32_t most_in_use = 0;  // chunks, since the pool was trimmed last
    std::map<uint32_t, OpenLane> lanes;
    std::vector<uint32_t> ended;      // lanes that go to their next owners when the round is over
    std::vector<uint64_t> told_lost;  // of each lane: its lost_calls when its last owner had ended
    int os_pid = 0;
    std::unique_ptr<SwitchRing> switches;  // of its first thread, until that has a lane
    bool first_process_ended = false;
    ProcessEnd end;
    uint32_t flush_seen = 0;
    std::shared_ptr<std::atomic<uint32_t>> flushed;
    uint64_t next_mapping_check = 0;
  };

  std::vector<CollectorCommand> take_commands(bool* full);
  bool flush_is_wanted() const;
  void prepare(CollectorCommand* command);
  void open(CollectorCommand* command);
  void close_finished(Batch* batch, bool now);
  void read_on(Batch* batch);
  size_t read_segment(SegmentId id, OpenSegment* segment, Batch* batch, bool all);
  void read_lane(SegmentId id, uint32_t lane, OpenLane* open_lane, LaneReader::Take take,
                 Batch* batch);
  void take_ring(SegmentId id, uint32_t lane, OpenLane* open_lane, OpenSegment* segment);
  void read_switches(SegmentId id, uint32_t lane, OpenLane* open_lane, const OpenSegment& segment,
                     Batch* batch);
  void find_new_lanes(OpenSegment* segment);
  void end_lane(SegmentId id, OpenSegment* segment, uint32_t lane, Batch* batch);
  void free_ended_lanes();
  void pass_flush(SegmentId id, OpenSegment* segment, Batch* batch);
  static void answer_flush(OpenSegment* segment);
  bool close_if_over(SegmentId id, OpenSegment* segment, Batch* batch, bool now);
  bool abandon(SegmentId id, OpenSegment* segment, Batch* batch);
  void close_segment(OpenSegment* segment, Notice notice, Batch* batch);
  // collector_memory.cpp
  static uint64_t busy_chunks(const OpenSegment& segment);
  uint64_t held_bytes() const;
  void follow_memory();
  void share_memory();
  void trim_pools();
  // collector_pace.cpp
  void beat();
  bool is_quiet() const;
  void pause(size_t bytes_read);
  void pause_for_room();
  bool can_be_rung() const;
  void sleep_until_rung(uint64_t longest_ns);
  bool anything_written();

  BatchQueue* queue_;
  ClockKind clock_;
  const WaitingBytes waiting_;
  uint64_t waiting_bytes_;  // now
  const std::atomic<uint64_t>* progress_;
  RecordMemory memory_;
  RecordPacker packer_;
  ContextSwitches switches_;
  MessageGate messages_;
  redaction::Redactor texts_;
  RunDelaySampler run_delay_;
  RobustList robust_list_{SegmentView::kWordDistance};
  std::map<SegmentId, OpenSegment> segments_;
  std::atomic<size_t> open_segments_{0};
  std::atomic<uint64_t> ends_told_{0}, ends_read_{0};
  std::mutex mutex_;
  SegmentId next_id_ = 1;
  std::vector<CollectorCommand> commands_;
  std::atomic<uint32_t> wake_{0};
  uint64_t busy_ns_ = 0;  // when there was last anything to read
  uint64_t nap_ns_ = 0;
  uint32_t cpu_ = 0;                                     // where this round runs, + 1
  bool filled_elsewhere_ = false, filled_here_ = false;  // chunks of this round, by their threads
  bool shares_core_ = false;  // all chunks of the last round that had any were filled on our core
  bool more_ = false;         // the round left complete chunks unread
  uint64_t vouched_ = 0;      // the watermark of the last round
  uint64_t round_ns_ = 0, trimmed_ns_ = 0, looked_ns_ = 0;
  bool idle_told_ = false;
  bool over_ = false;
  uint64_t last_beat_ns_ = 0, progress_seen_ = 0, progress_ns_ = 0;
};

}  // namespace telinject::drain
