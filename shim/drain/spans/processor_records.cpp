// Records: into the trees of their threads.
#include <algorithm>
#include <tuple>

#include "shim/channel/message.h"
#include "shim/drain/spans/processor.h"

namespace telinject::drain {

namespace {

constexpr size_t kMaxReferences = 1 << 16;

SegmentKey key_of(const SegmentState& segment) {
  return segment.info->key;
}

}  // namespace

void Processor::consume(SegmentState* segment, uint32_t lane_number, LaneTrack* lane,
                        uint64_t until) {
  LaneStream& stream = lane->stream;
  while (const uint64_t* record = stream.peek()) {
    uint64_t ticks = stream.ticks();
    if (ticks > until) return;
    apply_preemptions(lane, ticks);
    if (!lane->samples.empty()) take_samples(lane, ticks);
    if (is_exit(*record)) {
      if (lane->thread != nullptr) lane->thread->tree.exit(record, ticks);
    } else if (is_control(record[1])) {
      control_record(segment, lane_number, lane, record, stream.position(), ticks);
    } else if (lane->thread != nullptr) {
      lane->thread->tree.entry(record, stream.position(), ticks, clock_->to_ns(ticks));
    }
    stream.next();
  }
}

// Those that were over when the record with that time was made. Between the two the thread did
// nothing, so the middle of the preemption tells, whatever the clocks' conversion is off by.
void Processor::apply_preemptions(LaneTrack* lane, uint64_t until) {
  while (const uint64_t* record = lane->preemptions.peek()) {
    uint64_t ticks = *record & kTicksMask, preempted = control_b(record[2]);
    if (ticks - std::min(preempted / 2, ticks) > until) return;
    // Preemptions after the last record of a thread that exits are in no call's time.
    bool over = lane->thread != nullptr && lane->thread->tree.exiting() &&
                ticks - std::min(preempted / 2, ticks) >
                    std::max(lane->thread->tree.exit_ticks(), lane->stream.ticks());
    if (lane->thread != nullptr && !over && is_control(record[1]) &&
        control_kind(record[1]) == ControlKind::kPreempted) {
      preempt(lane->thread, ticks, preempted);
    }
    lane->preemptions.next();
  }
}

void Processor::control_record(SegmentState* segment, uint32_t lane_number, LaneTrack* lane,
                               const uint64_t* record, uint64_t position, uint64_t ticks) {
  uint64_t a = control_a(record[1]), b = control_b(record[2]), c = record[3];
  ControlKind kind = control_kind(record[1]);
  if (kind == ControlKind::kMessage) {
    if (auto whole = lane->stream.message()) {
      message(segment, lane_number, lane, *whole, ticks);
    } else {
      lane->messages.begin(a, b, position);
    }
    return;
  }
  if (kind == ControlKind::kMessageData) {
    if (auto whole = lane->messages.add(record)) message(segment, lane_number, lane, *whole, ticks);
    return;
  }
  Thread* thread = lane->thread;
  if (thread == nullptr) return;
  CallTree& tree = thread->tree;
  switch (kind) {
    case ControlKind::kRoot:
      events_.expect_events();
      // Nothing is open that one could leave, unless a destructor has begun a coroutine.
      if ((a & kRootOnStack) == 0) thread->flights.clear();
      tree.root(a, b, position);
      break;
    case ControlKind::kStack:
      tree.stack_switch(b, a, c, ticks);
      break;
    case ControlKind::kUnwind:
      unwound(thread, a, b, c, ticks);
      break;
    case ControlKind::kClosed:
      tree.closed_up_to(c, static_cast<uint32_t>(a), ticks);
      break;
    case ControlKind::kLost:
      lose(thread, c, ticks, /*now=*/false);
      break;
    case ControlKind::kWaited:
      wait(thread, ticks, b);
      break;
    case ControlKind::kExec:
      tree.exec(ticks);
      [[fallthrough]];
    case ControlKind::kSpawn:
      if (FrameStack* stack = filtering_ ? tree.inner_stack_at(c) : nullptr) {
        write_held(thread, stack);
      }
      if (auto context = tree.current_at(c)) {
        Reference reference = {segment->info->key.k0, position, lane_number};
        references_[reference] = *context;
        reference_order_.push_back(reference);
        if (reference_order_.size() > kMaxReferences) {
          references_.erase(reference_order_.front());
          reference_order_.pop_front();
        }
      }
      break;
    case ControlKind::kExecFailed:
      tree.exec_failed();
      break;
    case ControlKind::kVfork:
      tree.vfork(c);
      break;
    case ControlKind::kVforkEnd:
      tree.vfork_end(ticks);
      break;
    case ControlKind::kExit:
      if (!thread->process->exiting) thread->process->exit_ticks = ticks;
      thread->process->exiting = true;
      if (a != 0) thread->process->said_status = static_cast<int>(a - 1);
      for (auto& other : thread->process->threads) {
        release_main(other.get(), thread->process->exit_status());
      }
      break;
    case ControlKind::kLaneEnded:
      // Nothing if that is known already, and the lane perhaps in use again. Forked processes have
      // lanes in the same segment.
      if (auto ended = segment->lanes.find(static_cast<uint32_t>(a));
          ended != segment->lanes.end() && ended->second.thread != nullptr &&
          ended->second.thread->process == thread->process) {
        ended->second.thread->ended_before_process = true;
      }
      break;
    case ControlKind::kThreadExit:
      tree.thread_exit(ticks);
      break;
    case ControlKind::kChildEnded:
      child_ended(segment, static_cast<int>(a >> 16), static_cast<int>(a & 0xffff), ticks);
      break;
    case ControlKind::kMessage:
    case ControlKind::kMessageData:
    case ControlKind::kPreempted:  // of the lane itself: the program's own invention
      break;
  }
}

void Processor::message(SegmentState* segment, uint32_t lane_number, LaneTrack* lane,
                        const AssembledMessage& message, uint64_t ticks) {
  if (message.type == MessageType::kThread) {
    if (auto head = message.head<ThreadMessage>()) {
      begin_thread(segment, lane_number, lane, *head);
    }
    return;
  }
  Thread* thread = lane->thread;
  if (thread == nullptr) return;
  if (is_operation(message.type)) {
    operations_.message({segment, thread, lane_number, message.position, ticks}, message);
    return;
  }
  switch (message.type) {
    case MessageType::kThreadName:
      thread->set_name(message.bytes);
      break;
    case MessageType::kModule:
      add_module(thread->process, message, ticks);
      break;
    case MessageType::kModuleGone:
      if (auto gone = message.head<ModuleGoneMessage>()) {
        thread->process->code.remove(gone->start, gone->end);
      }
      break;
    case MessageType::kThrow:
      thrown(thread, message, ticks);
      break;
    case MessageType::kCrash:
      crashed(thread, message);
      break;
    default:
      break;
  }
}

// What the thread's roots continue: the span that was open at the record which its creator left for
// it, or failing that what it was told.
std::optional<ParentContext> Processor::resolve_context(const SegmentState& segment,
                                                        const ThreadMessage& message) const {
  if (message.context.valid == 0) return std::nullopt;
  ParentContext context = {{message.context.trace_hi, message.context.trace_lo},
                           message.context.span_id,
                           message.context.sampled != 0};
  // The main thread of a program that was executed within the session: by the exec wrapper's
  // record.
  RecordRef ref = message.spawned_by.segment != 0 ? message.spawned_by : segment.info->parent;
  auto found = references_.find(Reference{ref.segment, ref.position, ref.lane});
  if (ref.segment != 0 && found != references_.end() &&
      found->second.trace.hi == context.trace.hi && found->second.trace.lo == context.trace.lo) {
    context = found->second;
  }
  return context;
}

void Processor::begin_thread(SegmentState* segment, uint32_t lane_number, LaneTrack* lane,
                             const ThreadMessage& message) {
  std::unique_ptr<Process>& process = segment->processes[message.process];
  if (process == nullptr) {
    process = std::make_unique<Process>(message.process, message.pid, &modules_, &sites_);
    bool first = message.parent_process == 0;
    bool same_namespace = segment->info->pid == segment->os_pid;
    process->segment = segment;
    process->first = first;
    if (first) {
      process->os_pid = segment->os_pid;
    } else if (same_namespace) {
      process->os_pid = message.pid;
      hooks_.watch(segment->id, message.pid);
    }
    process->sequence = events_.sequence_of(*segment, process->os_pid, message.pid);
    auto parent = segment->processes.find(message.parent_process);
    if (parent != segment->processes.end()) process->code = parent->second->code;
  }
  SpanWriter* writer = this;
  auto thread = std::make_unique<Thread>(process.get(), key_of(*segment), lane_number, message,
                                         resolve_context(*segment, message), writer);
  lane->thread = thread.get();
  process->threads.push_back(std::move(thread));
}

void Processor::add_module(Process* process, const AssembledMessage& message, uint64_t ticks) {
  auto head = message.head<ModuleMessage>();
  if (!head.has_value() || head->end <= head->start) return;
  ModuleIdentity identity;
  identity.path = message.tail(sizeof *head);
  identity.build_id.assign(reinterpret_cast<const char*>(head->build_id),
                           std::min<size_t>(head->build_id_bytes, kBuildIdBytes));
  identity.inode = head->inode;
  identity.device_major = head->device_major;
  identity.device_minor = head->device_minor;
  if (process->os_pid != 0 && !options_.replay)
    identity.root = "/proc/" + std::to_string(process->os_pid) + "/root";
  process->code.add(head->start, head->end, head->file_offset, std::move(identity), ticks);
}

}  // namespace telinject::drain
