#include "shim/drain/spans/process_table.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "shim/drain/recording/recorder.h"
#include "shim/drain/records/shadow_lane.h"

namespace telinject::drain {

SegmentState* ProcessTable::find(SegmentId id) {
  auto found = segments_.find(id);
  return found != segments_.end() ? &found->second : nullptr;
}

LaneTrack* ProcessTable::find_lane(SegmentId id, uint32_t lane) {
  SegmentState* segment = find(id);
  if (segment == nullptr) return nullptr;
  auto found = segment->lanes.find(lane);
  return found != segment->lanes.end() ? &found->second : nullptr;
}

std::optional<SegmentId> ProcessTable::first_segment() const {
  if (segments_.empty()) return std::nullopt;
  return segments_.begin()->first;
}

std::vector<LanePlace> ProcessTable::lanes() {
  std::vector<LanePlace> all;
  for (auto& [id, segment] : segments_) {
    if (segment.info == nullptr) continue;
    for (auto& [number, lane] : segment.lanes) all.push_back({&segment, number, &lane});
  }
  return all;
}

std::vector<LanePlace> ProcessTable::lanes_with_records() {
  std::vector<LanePlace> lanes;
  for (auto& [id, segment] : segments_) {
    for (auto& [number, lane] : segment.lanes) {
      if (lane.stream.peek() != nullptr) lanes.push_back({&segment, number, &lane});
    }
  }
  return lanes;
}

bool ProcessTable::has_executed(const SegmentState& segment, const Process& process) const {
  bool about_to = std::any_of(process.threads.begin(), process.threads.end(),
                              [](const auto& thread) { return thread->tree.executing(); });
  if (about_to) return true;
  // A later segment of the same process.
  uint64_t space = segment.info->pid_namespace;
  auto later = segments_of_pid_.upper_bound({space, process.pid, segment.id});
  return later != segments_of_pid_.end() && std::get<0>(*later) == space &&
         std::get<1>(*later) == process.pid;
}

std::tuple<uint64_t, int, SegmentId> ProcessTable::place_of(const SegmentState& segment) {
  return {segment.info->pid_namespace, segment.info->pid, segment.id};
}

void ProcessTable::open_segment(const Notice& notice) {
  SegmentState& segment = segments_[notice.segment];
  segment.id = notice.segment;
  segment.info = notice.info;
  segment.os_pid = notice.os_pid;
  segments_of_pid_.insert(place_of(segment));
  // It may have one from another program.
  events_->sequence_of(segment, segment.os_pid, segment.info->pid);
  events_->facts().joined++;
}

void ProcessTable::drop_segment(SegmentId id) {
  const SegmentState& segment = segments_[id];
  events_->drop_sequences(segment);
  if (segment.info != nullptr) segments_of_pid_.erase(place_of(segment));
  segments_.erase(id);
}

Process* ProcessTable::process_of(SegmentState* segment, const ThreadMessage& message) {
  std::unique_ptr<Process>& process = segment->processes[message.process];
  if (process != nullptr) return process.get();
  process = std::make_unique<Process>(message.process, message.pid, modules_, sites_);
  process->segment = segment;
  process->first = message.parent_process == 0;
  bool same_namespace = segment->info->pid == segment->os_pid;
  if (process->first) {
    process->os_pid = segment->os_pid;
  } else if (same_namespace) {
    process->os_pid = message.pid;
    options_.watch(segment->id, message.pid);
    if (segment->info->access != nullptr) segment->info->access->add_process(message.pid);
  }
  process->sequence = events_->sequence_of(*segment, process->os_pid, message.pid);
  take_code(*segment, message, process.get());
  enter(segment, process.get());
  return process.get();
}

// A forked child has its parent's code. It may be heard of when the parent has been forgotten: that
// had the first process's code, or has left its own. So has a process that is heard of again.
void ProcessTable::take_code(const SegmentState& segment, const ThreadMessage& message,
                             Process* process) {
  if (auto parent = segment.processes.find(message.parent_process);
      parent != segment.processes.end()) {
    process->code = parent->second->code;
  } else if (!process->first && segment.first != nullptr) {
    process->code = segment.first->code;
  }
  for (const auto& [id, code] : segment.gone) {
    if (id == message.parent_process && id != 0) process->code = code;
  }
  for (const auto& [id, code] : segment.gone) {
    if (id == message.process) process->code = code;
  }
}

void ProcessTable::enter(SegmentState* segment, Process* process) {
  if (process->first && segment->first == nullptr) segment->first = process;
  segment->by_pid.emplace(process->pid, process);
  bool other_pid = process->os_pid != 0 && process->os_pid != process->pid;
  if (other_pid) segment->by_pid.emplace(process->os_pid, process);
}

std::vector<Process*> ProcessTable::with_pid(const SegmentState& segment, int pid) {
  std::vector<Process*> found;
  auto [begin, end] = segment.by_pid.equal_range(pid);
  for (auto each = begin; each != end; ++each) found.push_back(each->second);
  return found;
}

Process* ProcessTable::find_process(SegmentId segment_id, uint64_t id) {
  SegmentState* segment = find(segment_id);
  if (segment == nullptr) return nullptr;
  auto found = segment->processes.find(id);
  return found != segment->processes.end() ? found->second.get() : nullptr;
}

void ProcessTable::forget(Process* process) {
  SegmentState* segment = process->segment;
  bool own_code = segment->first != nullptr && !process->code.shares_with(segment->first->code);
  if (own_code) {
    segment->gone.emplace_back(process->id, process->code);
    if (segment->gone.size() > SegmentState::kMostGone) segment->gone.pop_front();
  }
  for (int pid : {process->pid, segment->os_pid}) {
    auto [each, end] = segment->by_pid.equal_range(pid);
    while (each != end) each = each->second == process ? segment->by_pid.erase(each) : ++each;
  }
  segment->processes.erase(process->id);
}

void ProcessTable::begin_thread(const LanePlace& at, const ThreadMessage& message,
                                std::optional<ParentContext> context) {
  Process* process = process_of(at.segment, message);
  process->threads.push_back(std::make_unique<Thread>(process, at.segment->info->key, at.number,
                                                      message, context, writer_));
  at.lane->thread = process->threads.back().get();
}

void ProcessTable::add_module(Process* process, const AssembledMessage& message, uint64_t ticks) {
  auto head = message.head<ModuleMessage>();
  if (!head.has_value() || head->end <= head->start) return;
  ModuleIdentity identity;
  identity.path = message.tail(sizeof *head);
  identity.build_id.assign(reinterpret_cast<const char*>(head->build_id),
                           std::min<size_t>(head->build_id_bytes, kBuildIdBytes));
  identity.inode = head->inode;
  identity.device_major = head->device_major;
  identity.device_minor = head->device_minor;
  if (process->os_pid != 0 && !options_.replay) {
    identity.root = "/proc/" + std::to_string(process->os_pid) + "/root";
  }
  identity.access = process->segment->info->access;
  if (identity.access != nullptr && identity.access->confined()) {
    identity.root = identity.access->root();
  }
  process->code.add(head->start, head->end, head->file_offset, std::move(identity), ticks);
}

Batch ProcessTable::take_rest() {
  Batch rest;
  for (auto& [id, segment] : segments_) {
    for (auto& [number, lane] : segment.lanes) {
      for (auto [stream, lane_number] :
           {std::pair{&lane.stream, number}, std::pair{&lane.preemptions, shadow_lane(number)}}) {
        for (Run& run : stream->rest()) {
          rest.bytes += run.bytes.size();
          rest.runs.push_back({id, lane_number, std::move(run)});
        }
      }
    }
  }
  return rest;
}

void ProcessTable::introduce(Recorder* recorder) const {
  for (const auto& [id, segment] : segments_) {
    if (segment.info == nullptr) continue;
    recorder->know(id, segment.info, segment.os_pid);
    for (const auto& [number, lane] : segment.lanes) {
      if (lane.thread != nullptr) recorder->know(id, number);
    }
  }
}

std::vector<Process*> ProcessTable::processes() {
  std::vector<Process*> all;
  for (auto& [id, segment] : segments_) {
    for (auto& [number, process] : segment.processes) all.push_back(process.get());
  }
  return all;
}

}  // namespace telinject::drain
