// What a processor leaves to another of programs, processes and threads (processor_state.cpp).
//
// What is added to a process, a thread, a call tree or the state of operations has to be in the
// io() of its class, or here; the sizes below are a reminder.
#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "shim/drain/spans/archive.h"
#include "shim/drain/spans/operation_kinds.h"
#include "shim/drain/spans/process_table.h"

namespace telinject::drain {

namespace {

static_assert(is_as_known<sizeof(Frame), 176>());
static_assert(is_as_known<sizeof(Thread), 816>());
static_assert(is_as_known<sizeof(Process), 752>());
static_assert(is_as_known<sizeof(SegmentState), 296>());
static_assert(is_as_known<sizeof(HttpState), 544>());
static_assert(is_as_known<sizeof(HttpTransfer), 224>());
static_assert(is_as_known<sizeof(OpaqueTls), 352>());
static_assert(is_as_known<sizeof(OpenOperation), 144>());
static_assert(is_as_known<sizeof(HttpExchange), 760>());
static_assert(is_as_known<sizeof(HttpConnection), 216>());

// A thread that has a lane goes when that ends, and not before.
bool lanes_make_sense(const SegmentState& segment) {
  std::set<const Thread*> seen;
  return std::all_of(segment.lanes.begin(), segment.lanes.end(), [&](const auto& lane) {
    const Thread* thread = lane.second.thread;
    if (thread == nullptr) return true;
    auto process = segment.processes.find(thread->process->id);
    return !thread->ended && process != segment.processes.end() &&
           process->second.get() == thread->process && seen.insert(thread).second;
  });
}

template <typename Archive>
void io_info(Archive& a, SegmentState* segment) {
  bool known = segment->info != nullptr;
  a(known);
  if (!known) return;
  SegmentInfo info;
  if (!Archive::kReads) info = *segment->info;
  a(info);
  if (Archive::kReads) segment->info = std::make_shared<SegmentInfo>(info);
}

template <typename Archive>
void io_lanes(Archive& a, SegmentState* segment) {
  std::vector<uint32_t> numbers;
  for (auto& [number, lane] : segment->lanes) numbers.push_back(number);
  a(numbers);
  for (uint32_t number : numbers) {
    LaneTrack& lane = segment->lanes[number];
    a(lane.stream, lane.preemptions, lane.messages, lane.samples);
    a.refer(lane.thread);
  }
  if (Archive::kReads && !lanes_make_sense(*segment)) a.fail();
}

}  // namespace

template <typename Archive>
void ProcessTable::io_process(Archive& a, SharedCounters* counters, SegmentState* segment,
                              Process* process) {
  a(*process);
  process->segment = segment;
  counters->io(a, &process->sequence);
  a(process->stacks);
  uint64_t threads = a.count(process->threads.size());
  for (uint64_t i = 0; i < threads && a.good(); i++) {
    if constexpr (Archive::kReads) {
      process->threads.push_back(std::make_unique<Thread>(process, SegmentKey{}, 0, ThreadMessage{},
                                                          std::nullopt, writer_));
    }
    a(*process->threads[i]);
    a.enroll(process->threads[i].get());
  }
}

template <typename Archive>
void ProcessTable::io_processes(Archive& a, SharedCounters* counters, SegmentState* segment) {
  std::vector<uint64_t> ids;
  for (auto& [id, process] : segment->processes) ids.push_back(id);
  a(ids);
  if (segment->info == nullptr && !ids.empty()) return a.fail();
  for (uint64_t id : ids) {
    std::unique_ptr<Process>& process = segment->processes[id];
    if (process == nullptr) process = std::make_unique<Process>(id, 0, modules_, sites_);
    io_process(a, counters, segment, process.get());
    if (Archive::kReads) enter(segment, process.get());
  }
  io_gone(a, segment);
}

template <typename Archive>
void ProcessTable::io_gone(Archive& a, SegmentState* segment) {
  uint64_t gone = a.count(segment->gone.size());
  for (uint64_t i = 0; i < gone && a.good(); i++) {
    if (Archive::kReads) segment->gone.emplace_back(0, CodeMap(modules_));
    a(segment->gone[i].first, segment->gone[i].second);
  }
  if (gone > SegmentState::kMostGone) a.fail();
}

template <typename Archive>
void ProcessTable::io_segment(Archive& a, SharedCounters* counters, SegmentState* segment) {
  io_info(a, segment);
  a(segment->os_pid, segment->executed, segment->notes);
  io_processes(a, counters, segment);
  io_lanes(a, segment);
  OperationKinds::io_segment(a, segment);
}

template <typename Archive>
void ProcessTable::io(Archive& a, SharedCounters* counters) {
  std::vector<SegmentId> ids;
  for (auto& [id, segment] : segments_) ids.push_back(id);
  a(ids);
  for (SegmentId id : ids) {
    if (Archive::kReads && segments_.contains(id)) return a.fail();
    segments_[id].id = id;
    io_segment(a, counters, &segments_[id]);
    if (Archive::kReads && segments_[id].info != nullptr) {
      segments_of_pid_.insert(place_of(segments_[id]));
    }
  }
}

template void ProcessTable::io(ArchiveWriter& a, SharedCounters* counters);
template void ProcessTable::io(ArchiveReader& a, SharedCounters* counters);

}  // namespace telinject::drain
