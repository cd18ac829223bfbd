// What the collector hands to the processor, and the one bounded queue between them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "shim/drain/records/lane_reader.h"
#include "shim/drain/records/record_packing.h"
#include "shim/drain/records/run_times.h"
#include "shim/drain/records/segment_view.h"
#include "shim/sinks/spool.h"

namespace telinject::drain {

// Names a segment within the drain; never reused.
using SegmentId = uint32_t;

// Records of one lane, or a message of it; or, where is_shadow_lane(), what the drain itself says
// of it (context_switches.h).
struct LaneRun {
  SegmentId segment;
  uint32_t lane;
  Run run;
};

// How a process ended, as far as is known.
struct ProcessEnd {
  bool known = false;
  int status = 0;  // as of wait(2)

  template <typename Archive>
  void io(Archive& a) {
    a(known, status);
  }
};

// Things that happen besides records, in order with them.
struct Notice {
  enum class Kind {
    kSegmentOpened,   // segment, info, os_pid
    kLaneEnded,       // lane: its thread has ended; all its records came before
    kSegmentClosed,   // no process uses it any more; end
    kProcessEnded,    // segment, os_pid, end: a process that was watched, a forked child or the
                      // segment's first. text "exec": it has executed another program, which has a
                      // segment of its own and may have written events already
    kFlush,           // value: write all, then say so in `flushed`
    kUntraced,        // text: a process that could not be traced, and why
    kProgramStarted,  // os_pid, text: telrun's program
    kProgramEnded,    // os_pid, end
    kStop,            // give up what is still queued
    kIdle,            // nothing happens: write what is buffered
    kLastWords,       // all is over: the processor ends
    kRunDelay,        // run_delay: how much threads have run. Counts before the batch's records
    kDump,            // answer: write what the flight recorder keeps. In no recording
  };
  Notice() = default;
  explicit Notice(Kind what) : kind(what) {}

  Kind kind = Kind::kIdle;
  SegmentId segment = 0;
  uint32_t lane = 0;
  int os_pid = 0;
  uint32_t value = 0;
  uint64_t ticks = 0;
  uint64_t lost_calls = 0, lost_records = 0;     // kLaneEnded: of that owner
  std::array<uint64_t, kLossReasons> lost = {};  // kSegmentClosed: in all
  ProcessEnd end;
  std::string text;
  std::vector<RunDelaySample> run_delay;
  std::shared_ptr<const SegmentInfo> info;
  struct Dumped {
    uint64_t events = 0;  // that the dump had
    uint64_t lost = 0;    // that could not be written, counted for each destination
    std::string where;
  };
  // kDump, or null: gets what was written; nullopt: nothing, and nothing will be.
  using DumpAnswer = std::function<void(const std::optional<Dumped>& dumped)>;
  std::shared_ptr<const DumpAnswer> answer;
  std::shared_ptr<std::atomic<uint32_t>> flushed;  // kFlush: takes `value` once all is written
};

// One round of the collector: all records with a time below `watermark` are in this batch or
// before.
struct Batch {
  uint64_t watermark = 0;
  std::vector<LaneRun> runs;
  std::vector<Notice> notices;  // after the runs
  size_t bytes = 0;             // of all runs
};

// A run's records, wherever they are packed.
Run unpacked(const Run& run, RecordUnpacker* unpacker, RecordMemory* memory);

// True if the program's end or a flush waits until this has been worked off.
bool is_awaited(const Batch& batch);

// Holds at most `limit_bytes` of runs in memory, packed or not, as the collector made them; and
// what the spool takes on disk, packed. One thread pushes, one pops.
class BatchQueue {
 public:
  BatchQueue(size_t limit_bytes, Spool* spool) : limit_bytes_(limit_bytes), spool_(spool) {}

  // Never waits for the other side: the collector asks full() first, and notices must always get
  // through.
  void push(Batch batch);
  Batch pop();
  // Until something is there to pop; false if it is not at that time.
  bool wait_until(std::chrono::steady_clock::time_point time);
  Batch pop_as_is();  // some runs may be packed
  bool full() const;
  size_t memory_bytes() const;  // that runs take in memory
  // From any thread. What is there already stays.
  void set_limit(size_t limit_bytes);
  // Much waits: what comes next should be packed. Not before: copying takes a third of the time,
  // and a thread at full speed has to be followed as long as there is room.
  bool wants_packed() const;
  bool empty() const;

  // While the reader waits for something else and there is no room on disk, what arrives is held in
  // memory besides: as much as the queue takes there anyway. When it goes on, it finds the queue as
  // roomy as if it had not waited, and what it holds too much shrinks as it is taken out.
  void hold();
  bool held_enough() const;
  void go_on();

  // The size of all that waits, in memory and on disk, unpacked.
  uint64_t bytes() const;
  // The last batch that was taken out is done when the next one is.
  uint64_t done_bytes() const;
  uint64_t left_bytes() const;
  bool is_awaited() const;  // anything that waits

 private:
  struct Waiting {
    Batch batch;
    size_t memory_bytes = 0;  // of the runs, as they are
    size_t list_bytes = 0;    // of all else
    bool spooled = false;
    uint64_t offset = 0;            // in the spool: the runs, one behind the other
    std::vector<size_t> run_bytes;  // of each run, packed, if spooled
  };
  bool spool(Waiting* waiting);
  void fetch(Waiting* waiting);
  bool must_spill() const;  // with the lock held
  bool too_many() const;    // likewise: batches, whatever is in them

  size_t limit_bytes_;  // with the lock held
  Spool* spool_;
  // The collector's, which pushes.
  RecordPacker packer_;
  std::vector<std::byte> packed_;
  // The processor's, which pops.
  RecordUnpacker unpacker_;
  RecordMemory memory_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Waiting> batches_;
  size_t bytes_ = 0;       // of runs in memory
  size_t list_bytes_ = 0;  // of batches besides
  size_t extra_bytes_ = 0;
  uint64_t waiting_ = 0, done_ = 0, in_hand_ = 0;  // bytes unpacked
  // Since the limit was reached, until half of it is free. A batch in memory keeps the whole block
  // that it lies in (RecordMemory): were every other one on disk, they would keep several times the
  // limit.
  bool spilling_ = false;
  size_t awaited_ = 0;  // batches
};

}  // namespace telinject::drain
