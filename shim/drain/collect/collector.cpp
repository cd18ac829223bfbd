#include "shim/drain/collect/collector.h"

#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <utility>

#include "shim/channel/clock.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/records/clock_map.h"

namespace telinject::drain {

namespace {

constexpr unsigned long kTimerSlackNs = 1000;  // the default would double the shortest nap
// A thread that has had records for so long, or has filled a chunk, is worth watching: what takes a
// few calls and ends is not.
constexpr uint64_t kWatchNs = 20 * kMillisecond;
// A thread that has not filled a chunk for so long has its open one read.
constexpr uint64_t kOpenChunkNs = 5 * kMillisecond;
constexpr uint64_t kMappingCheckNs = 20 * kMillisecond;

}  // namespace

Collector::Collector(BatchQueue* queue, ClockKind clock, const WaitingBytes& waiting,
                     const std::atomic<uint64_t>* progress, MessageRedactors redactors,
                     redaction::Redactor texts)
    : queue_(queue),
      clock_(clock),
      waiting_(waiting),
      waiting_bytes_(waiting.most),
      progress_(progress),
      switches_(clock),
      messages_(std::move(redactors), &memory_),
      texts_(std::move(texts)),
      run_delay_(clock) {}

Collector::~Collector() = default;

SegmentId Collector::tell(CollectorCommand command) {
  std::lock_guard lock(mutex_);
  if (command.notice.kind == Notice::Kind::kSegmentOpened) {
    open_segments_++;
    command.notice.segment = next_id_++;
  }
  if (command.notice.kind == Notice::Kind::kProcessEnded) ends_told_++;
  SegmentId segment = command.notice.segment;
  commands_.push_back(std::move(command));
  wake_.fetch_add(1);
  syscall(SYS_futex, &wake_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  return segment;
}

// *full: the queue has no room, so that this round reads no lane. Ends of processes wait then, as
// what these wrote has to be read before. But if somebody waits for all to be written, all is read,
// whether there is room or not.
std::vector<CollectorCommand> Collector::take_commands(bool* full) {
  auto is = [](Notice::Kind kind) {
    return [kind](const CollectorCommand& command) { return command.notice.kind == kind; };
  };
  bool flush = flush_is_wanted();
  std::lock_guard lock(mutex_);
  *full = queue_->full() && !flush &&
          std::none_of(commands_.begin(), commands_.end(), is(Notice::Kind::kProgramEnded)) &&
          std::none_of(commands_.begin(), commands_.end(), is(Notice::Kind::kLastWords));
  if (!*full) return std::exchange(commands_, {});
  auto ends = std::stable_partition(commands_.begin(), commands_.end(),
                                    std::not_fn(is(Notice::Kind::kProcessEnded)));
  std::vector<CollectorCommand> passed(std::make_move_iterator(commands_.begin()),
                                       std::make_move_iterator(ends));
  commands_.erase(commands_.begin(), ends);
  return passed;
}

// One at a time of each segment: its program may ask without end.
bool Collector::flush_is_wanted() const {
  return std::any_of(segments_.begin(), segments_.end(), [](const auto& each) {
    const OpenSegment& segment = each.second;
    return segment.view->header()->flush_requested.load(std::memory_order_acquire) !=
               segment.flush_seen &&
           segment.flush_seen == segment.flushed->load(std::memory_order_acquire);
  });
}

// Notices follow the records of the round in which they came: what a process wrote before it ended
// is read after its end was seen.
void Collector::run() {
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
  while (!over_) {
    Batch batch;
    uint64_t now = ClockMap::now(clock_);
    bool full = false;
    std::vector<CollectorCommand> commands = take_commands(&full);
    // A round that reads no lane vouches for no more than the one before.
    batch.watermark = full ? vouched_ : now;
    round_ns_ = monotonic_ns();
    cpu_ = static_cast<uint32_t>(sched_getcpu() + 1);
    if (filled_here_ || filled_elsewhere_) shares_core_ = !filled_elsewhere_;
    filled_here_ = filled_elsewhere_ = false;
    more_ = false;
    bool program_ended = false;
    uint64_t ends = 0;  // of processes
    for (CollectorCommand& command : commands) {
      if (command.notice.kind == Notice::Kind::kProcessEnded) ends++;
      program_ended = program_ended || command.notice.kind == Notice::Kind::kProgramEnded;
      prepare(&command);
    }
    // Notices follow all that was written before what they tell.
    bool all = !commands.empty();
    for (auto& [id, segment] : segments_) {
      if (!full) {
        read_segment(id, &segment, &batch, all);
        pass_flush(id, &segment, &batch);
      }
      answer_flush(&segment);
    }
    auto pass_on = [&](bool last) {
      for (CollectorCommand& command : commands) {
        Notice& notice = command.notice;
        if (notice.kind == Notice::Kind::kSegmentOpened) continue;
        if ((notice.kind == Notice::Kind::kProgramEnded) != last) continue;
        over_ = over_ || notice.kind == Notice::Kind::kLastWords;
        notice.ticks = ClockMap::now(clock_);
        if (notice.kind == Notice::Kind::kProgramStarted) notice.text = texts_.path(notice.text);
        batch.notices.push_back(std::move(notice));
      }
    };
    pass_on(/*last=*/false);
    if (!full) close_finished(&batch, program_ended);
    ends_read_ += ends;
    pass_on(/*last=*/true);
    if (!full && !batch.notices.empty()) read_on(&batch);
    free_ended_lanes();
    if (batch.bytes == 0 && batch.notices.empty() && !idle_told_ && is_quiet()) {
      batch.notices.emplace_back(Notice::Kind::kIdle);
      idle_told_ = true;
    }
    size_t bytes = batch.bytes;
    if (auto samples = run_delay_.take(); !samples.empty()) {
      batch.notices.emplace_back(Notice::Kind::kRunDelay).run_delay = std::move(samples);
    }
    messages_.pass(&batch, round_ns_);
    vouched_ = batch.watermark;
    if (bytes != 0 || !batch.runs.empty() || !batch.notices.empty()) queue_->push(std::move(batch));
    beat();
    follow_memory();
    share_memory();
    trim_pools();
    if (over_) break;
    if (full) {
      pause_for_room();
    } else if (!more_ || bytes == 0) {
      pause(bytes);
    }
  }
}

// What a command means for the segments, before they are read.
void Collector::prepare(CollectorCommand* command) {
  if (command->notice.kind == Notice::Kind::kSegmentOpened) open(command);
  if (command->notice.kind != Notice::Kind::kProcessEnded) return;
  auto found = segments_.find(command->notice.segment);
  if (found == segments_.end()) return;
  OpenSegment& segment = found->second;
  if (segment.os_pid != command->notice.os_pid || segment.first_process_ended) return;
  segment.first_process_ended = true;
  segment.end = command->notice.end;
  segment.next_mapping_check = 0;
}

void Collector::open(CollectorCommand* command) {
  SegmentId id = command->notice.segment;
  OpenSegment& segment = segments_[id];
  segment.view = std::move(command->segment);
  segment.pool = std::make_unique<ChunkPool>(segment.view.get());
  segment.os_pid = command->notice.os_pid;
  segment.switches = std::move(command->switches);
  segment.told_lost.resize(segment.view->lane_count());
  segment.flushed = std::make_shared<std::atomic<uint32_t>>(0);
  segment.view->own(&robust_list_);
  // In a batch of its own, before any of its records.
  Batch batch;
  Notice notice = command->notice;
  auto info = std::make_shared<SegmentInfo>(segment.view->info());
  info->path = texts_.path(info->path);
  info->command_line = texts_.joined_arguments(info->command_line);
  notice.info = std::move(info);
  batch.notices.push_back(std::move(notice));
  queue_->push(std::move(batch));
}

void Collector::find_new_lanes(OpenSegment* segment) {
  SegmentHeader* header = segment->view->header();
  for (uint32_t word = 0; word * 64 < segment->view->lane_count(); word++) {
    uint64_t bits = header->claimed[word].load(std::memory_order_acquire);
    for (; bits != 0; bits &= bits - 1) {
      uint32_t lane = word * 64 + static_cast<uint32_t>(__builtin_ctzll(bits));
      if (lane >= segment->view->lane_count() || segment->lanes.contains(lane)) continue;
      if (std::find(segment->ended.begin(), segment->ended.end(), lane) != segment->ended.end()) {
        continue;
      }
      segment->lanes.emplace(
          lane, OpenLane{LaneReader(segment->view.get(), lane, segment->pool.get(), &memory_)});
    }
  }
}

void Collector::read_lane(SegmentId id, uint32_t lane, OpenLane* open_lane, LaneReader::Take take,
                          Batch* batch) {
  std::vector<Run> runs;
  // On the program's own core it is the sum of all work that counts, and packing here spares the
  // others some.
  bool pack = queue_->wants_packed() || shares_core_;
  RecordPacker* packer = pack ? &packer_ : nullptr;
  batch->bytes += open_lane->reader.read(&runs, packer, take);
  for (Run& run : runs) batch->runs.push_back({id, lane, std::move(run)});
  batch->watermark = open_lane->reader.read_until(batch->watermark);
}

// The ring of the process's first thread has told since the process came.
void Collector::take_ring(SegmentId id, uint32_t lane, OpenLane* open_lane, OpenSegment* segment) {
  if (segment->switches == nullptr) return;
  uint32_t owner = segment->view->lane(lane)->owner.word.load(std::memory_order_relaxed);
  if (static_cast<int>(owner & kOwnerTidMask) != segment->os_pid) return;
  switches_.watch(id, lane, std::move(segment->switches));
  open_lane->watched = true;
}

// After its records were read: what the kernel told before the thread wrote them is in time.
void Collector::read_switches(SegmentId id, uint32_t lane, OpenLane* open_lane,
                              const OpenSegment& segment, Batch* batch) {
  if (!open_lane->watched) {
    if (open_lane->seen_ns == 0) open_lane->seen_ns = round_ns_;
    if (open_lane->filled_ns == 0 && round_ns_ - open_lane->seen_ns < kWatchNs) return;
    open_lane->watched = true;
    // Its id is one of our PID namespace only if its process's is.
    if (segment.view->info().pid != segment.os_pid) return;
    uint32_t owner = segment.view->lane(lane)->owner.word.load(std::memory_order_relaxed);
    switches_.watch(id, lane, segment.os_pid, static_cast<int>(owner & kOwnerTidMask));
  }
  RecordBytes records = switches_.read(id, lane, &memory_);
  if (records.size() == 0) return;
  batch->bytes += records.size();
  batch->runs.push_back({id, shadow_lane(lane), {0, std::move(records)}});
}

size_t Collector::read_segment(SegmentId id, OpenSegment* segment, Batch* batch, bool all) {
  find_new_lanes(segment);
  size_t before = batch->bytes;
  std::vector<uint32_t> ended;
  for (auto& [lane, open_lane] : segment->lanes) {
    LaneReader& reader = open_lane.reader;
    take_ring(id, lane, &open_lane, segment);
    // Asked before reading: a thread that has ended writes nothing more.
    bool over = reader.owner_has_ended();
    if (over && (all || reader.unread_chunks() <= LaneReader::kMostChunks)) {
      ended.push_back(lane);
      continue;
    }
    if (reader.unread_chunks() > 0) {
      open_lane.filled_ns = round_ns_;
      uint32_t cpu = segment->view->lane(lane)->cpu.load(std::memory_order_relaxed);
      (cpu == cpu_ ? filled_here_ : filled_elsewhere_) = true;
    }
    size_t had = batch->bytes;
    bool leave_open = !all && round_ns_ - open_lane.filled_ns < kOpenChunkNs;
    uint64_t rounds = all ? reader.unread_chunks() / LaneReader::kMostChunks + 1 : 1;
    while (rounds-- > 0) {
      read_lane(id, lane, &open_lane,
                leave_open ? LaneReader::Take::kComplete : LaneReader::Take::kAll, batch);
    }
    more_ = more_ || reader.unread_chunks() > 0;
    if (batch->bytes != had) {
      run_delay_.wrote(id, lane, segment->os_pid, segment->view->header()->pid,
                       segment->view->lane(lane)->owner.word.load());
    }
    if (batch->bytes != had || open_lane.watched) {
      read_switches(id, lane, &open_lane, *segment, batch);
    }
    if (reader.is_stuck()) reader.skip_hole();
  }
  for (uint32_t lane : ended) end_lane(id, segment, lane, batch);
  return batch->bytes - before;
}

// What has ended is taken whole, whatever the watermark; so what it refers to has to be there: the
// record that its creator left for it, on a lane that was read before that was written.
void Collector::read_on(Batch* batch) {
  batch->watermark = ClockMap::now(clock_);
  for (auto& [id, segment] : segments_) {
    // Also those that were claimed meanwhile: up to the watermark all has to be there.
    find_new_lanes(&segment);
    for (auto& [lane, open_lane] : segment.lanes) {
      uint64_t rounds = open_lane.reader.unread_chunks() / LaneReader::kMostChunks + 1;
      while (rounds-- > 0) read_lane(id, lane, &open_lane, LaneReader::Take::kAll, batch);
    }
  }
}

void Collector::end_lane(SegmentId id, OpenSegment* segment, uint32_t lane, Batch* batch) {
  OpenLane& open_lane = segment->lanes.at(lane);
  // Before the owner's mark is taken away: a process that ends and does not find it any more
  // (hooks/calls/attach.cpp, note_ended_lanes) ends after this time.
  uint64_t ended = ClockMap::now(clock_);
  run_delay_.ended(id, lane);
  take_ring(id, lane, &open_lane, segment);
  std::vector<Run> runs;
  batch->bytes += open_lane.reader.read_rest(&runs, &packer_);
  for (Run& run : runs) batch->runs.push_back({id, lane, std::move(run)});
  if (open_lane.watched) read_switches(id, lane, &open_lane, *segment, batch);
  switches_.forget(id, lane);
  LaneHeader* header = segment->view->lane(lane);
  Notice notice(Notice::Kind::kLaneEnded);
  notice.segment = id;
  notice.lane = lane;
  notice.ticks = ended;
  // Since its last owner ended: this one may have lost some before it was first seen.
  uint64_t lost = header->lost_calls.load();
  notice.lost_calls = lost - std::exchange(segment->told_lost[lane], lost);
  notice.lost_records = open_lane.reader.lost_records();
  batch->notices.push_back(std::move(notice));
  segment->lanes.erase(lane);
  if (segment->view->writable()) segment->ended.push_back(lane);
}

// Not while their last records are in the round's batch: its notices follow all of its runs, and a
// next owner's would be taken for theirs.
void Collector::free_ended_lanes() {
  for (auto& [id, segment] : segments_) {
    for (uint32_t lane : std::exchange(segment.ended, {})) {
      segment.view->header()->claimed[lane / 64].fetch_and(~(uint64_t{1} << lane % 64),
                                                           std::memory_order_acq_rel);
    }
  }
}

// A program that waits at its end bumps flush_requested; the processor answers in `flushed`.
void Collector::pass_flush(SegmentId id, OpenSegment* segment, Batch* batch) {
  SegmentHeader* header = segment->view->header();
  uint32_t requested = header->flush_requested.load(std::memory_order_acquire);
  if (requested != segment->flush_seen) {
    // What was written before the request has to be read after it was seen.
    read_segment(id, segment, batch, /*all=*/true);
    segment->flush_seen = requested;
    Notice notice(Notice::Kind::kFlush);
    notice.segment = id;
    notice.value = requested;
    notice.flushed = segment->flushed;
    notice.ticks = ClockMap::now(clock_);
    batch->notices.push_back(std::move(notice));
  }
}

void Collector::answer_flush(OpenSegment* segment) {
  SegmentHeader* header = segment->view->header();
  uint32_t flushed = segment->flushed->load(std::memory_order_acquire);
  if (flushed != header->flush_done.load(std::memory_order_relaxed)) {
    header->flush_done.store(flushed, std::memory_order_release);
    syscall(SYS_futex, &header->flush_done, FUTEX_WAKE, 1 << 20, nullptr, nullptr, 0);
  }
}

void Collector::close_finished(Batch* batch, bool now) {
  for (auto it = segments_.begin(); it != segments_.end();) {
    bool closed = close_if_over(it->first, &it->second, batch, now);
    it = closed ? segments_.erase(it) : std::next(it);
  }
}

// A segment is over when its first process has ended and no other has it mapped: forked children
// live in it, too, whether or not they ever made a call.
bool Collector::close_if_over(SegmentId id, OpenSegment* segment, Batch* batch, bool now) {
  if (!segment->first_process_ended) return false;
  uint64_t time = monotonic_ns();
  if (!now && time < segment->next_mapping_check) return false;
  segment->next_mapping_check = time + kMappingCheckNs;
  switch (segment->view->mapped_elsewhere()) {
    case SegmentView::Elsewhere::kYes:
      return false;
    case SegmentView::Elsewhere::kNo:
      break;
    case SegmentView::Elsewhere::kGone:
      return abandon(id, segment, batch);
  }
  find_new_lanes(segment);
  std::vector<uint32_t> left;
  for (auto& [lane, open_lane] : segment->lanes) left.push_back(lane);
  for (uint32_t lane : left) end_lane(id, segment, lane, batch);
  Notice notice(Notice::Kind::kSegmentClosed);
  notice.segment = id;
  notice.os_pid = segment->os_pid;
  notice.end = segment->end;
  notice.ticks = ClockMap::now(clock_);
  for (size_t i = 0; i < kLossReasons; i++) {
    notice.lost[i] = segment->view->header()->lost[i].load(std::memory_order_relaxed);
  }
  close_segment(segment, std::move(notice), batch);
  return true;
}

// The system had no room to map it once more, or the program has sealed it against us: what was in
// it is lost, how much cannot be told.
bool Collector::abandon(SegmentId id, OpenSegment* segment, Batch* batch) {
  if (errno == EPERM) {
    warn("process ", segment->os_pid,
         " has added unexpected seals to its memory file: its last calls are lost");
  } else {
    warn("cannot map the records of process ", segment->os_pid, " again (", strerror(errno),
         "): its last calls are lost. Allow more memory");
  }
  for (auto& [lane, open_lane] : segment->lanes) {
    Notice ended(Notice::Kind::kLaneEnded);
    ended.segment = id;
    ended.lane = lane;
    ended.ticks = ClockMap::now(clock_);
    ended.lost_records = open_lane.reader.lost_records() + 1;
    batch->notices.push_back(std::move(ended));
  }
  for (auto& [lane, open_lane] : segment->lanes) {
    switches_.forget(id, lane);
    run_delay_.ended(id, lane);
  }
  segment->lanes.clear();
  Notice notice(Notice::Kind::kSegmentClosed);
  notice.segment = id;
  notice.os_pid = segment->os_pid;
  notice.end = segment->end;
  notice.ticks = ClockMap::now(clock_);
  close_segment(segment, std::move(notice), batch);
  return true;
}

void Collector::close_segment(OpenSegment* segment, Notice notice, Batch* batch) {
  batch->notices.push_back(std::move(notice));
  segment->view->disown(&robust_list_);
  open_segments_--;
}

}  // namespace telinject::drain
