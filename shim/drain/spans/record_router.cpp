#include "shim/drain/spans/record_router.h"

#include <algorithm>
#include <optional>

#include "shim/channel/message.h"

namespace telinject::drain {

// A record that is neither a call nor its end.
struct RecordRouter::Control {
  ControlKind kind;
  uint64_t a, b, c;
  uint64_t position, ticks;
};

void RecordRouter::take(const LanePlace& at, uint64_t until) {
  LaneTrack* lane = at.lane;
  LaneStream& stream = lane->stream;
  while (const uint64_t* record = stream.peek()) {
    uint64_t ticks = stream.ticks();
    if (ticks > until) return;
    if (!lane->preemptions.empty()) take_preemptions(lane, ticks);
    if (!lane->samples.empty()) take_samples(lane, ticks);
    if (is_exit(*record)) {
      if (lane->thread != nullptr) lane->thread->tree.exit(record, ticks);
    } else if (is_control(record[1])) {
      take_control(at, record);
    } else if (lane->thread != nullptr) {
      lane->thread->tree.entry(record, stream.position(), ticks, parts_.clock->to_ns(ticks));
    }
    stream.next();
  }
}

void RecordRouter::take_last(const LanePlace& at, uint64_t ended) {
  take(at, kAll);
  take_preemptions(at.lane, ended);
  take_samples(at.lane, kAll);
}

// Those that were over when the record with that time was made. Between the two the thread did
// nothing, so the middle of the preemption tells, whatever the clocks' conversion is off by.
void RecordRouter::take_preemptions(LaneTrack* lane, uint64_t until) {
  while (const uint64_t* record = lane->preemptions.peek()) {
    uint64_t ticks = *record & kTicksMask, preempted = control_b(record[2]);
    uint64_t middle = ticks - std::min(preempted / 2, ticks);
    if (middle > until) return;
    Thread* thread = lane->thread;
    // Preemptions after the last record of a thread that exits are in no call's time.
    bool over = thread != nullptr && thread->tree.exiting() &&
                middle > std::max(thread->tree.exit_ticks(), lane->stream.ticks());
    if (thread != nullptr && !over && is_control(record[1]) &&
        control_kind(record[1]) == ControlKind::kPreempted) {
      parts_.time_away->away(thread, TimeAway::Kind::kPreemption, ticks, preempted);
    }
    lane->preemptions.next();
  }
}

void RecordRouter::take_samples(LaneTrack* lane, uint64_t until) {
  while (!lane->samples.empty() && lane->samples.front().after < until) {
    if (lane->thread != nullptr) parts_.time_away->sampled(lane->thread, lane->samples.front());
    lane->samples.pop_front();
  }
}

void RecordRouter::take_control(const LanePlace& at, const uint64_t* record) {
  LaneTrack* lane = at.lane;
  Control control = {control_kind(record[1]), control_a(record[1]), control_b(record[2]), record[3],
                     lane->stream.position(), lane->stream.ticks()};
  if (control.kind == ControlKind::kMessage) {
    if (auto whole = lane->stream.message()) return take_message(at, *whole, control.ticks);
    lane->messages.begin(control.a, control.b, control.position);
  } else if (control.kind == ControlKind::kMessageData) {
    if (auto whole = lane->messages.add(record)) take_message(at, *whole, control.ticks);
  } else if (lane->thread != nullptr && !move_in_tree(&lane->thread->tree, control)) {
    tell(at, lane->thread, control);
  }
}

// True if the record concerns the tree alone.
bool RecordRouter::move_in_tree(CallTree* tree, const Control& control) {
  switch (control.kind) {
    case ControlKind::kStack:
      tree->stack_switch(control.b, control.a, control.c, control.ticks);
      return true;
    case ControlKind::kClosed:
      tree->closed_up_to(control.c, static_cast<uint32_t>(control.a), control.ticks);
      return true;
    case ControlKind::kExecFailed:
      tree->exec_failed();
      return true;
    case ControlKind::kVfork:
      tree->vfork(control.c);
      return true;
    case ControlKind::kVforkEnd:
      tree->vfork_end(control.ticks);
      return true;
    case ControlKind::kThreadExit:
      tree->thread_exit(control.ticks);
      return true;
    default:
      return false;
  }
}

void RecordRouter::tell(const LanePlace& at, Thread* thread, const Control& control) {
  const auto& [kind, a, b, c, position, ticks] = control;
  switch (kind) {
    case ControlKind::kRoot:
      return begin_root(thread, control);
    case ControlKind::kUnwind:
      return parts_.exceptions->unwound(thread, a, b, c, ticks);
    case ControlKind::kLost:
      return parts_.losses->lost(thread, c, ticks, /*now=*/false);
    case ControlKind::kWaited:
      return parts_.time_away->away(thread, TimeAway::Kind::kWait, ticks, b);
    case ControlKind::kExec:
      thread->tree.exec(ticks);
      [[fallthrough]];
    case ControlKind::kSpawn:
      return spawn(at, thread, control);
    case ControlKind::kExit:
      return parts_.ends->process_exits(
          thread->process, ticks, a != 0 ? std::optional(static_cast<int>(a - 1)) : std::nullopt);
    case ControlKind::kLaneEnded:
      return parts_.ends->thread_ended_first(at.segment, static_cast<uint32_t>(a), thread->process);
    case ControlKind::kChildEnded:
      return parts_.ends->child_ended(at.segment, static_cast<int>(a >> 16),
                                      static_cast<int>(a & 0xffff), ticks);
    default:  // move_in_tree; or kPreempted in the lane itself: the program's own invention
      return;
  }
}

void RecordRouter::begin_root(Thread* thread, const Control& control) {
  parts_.events->expect_events();
  // Nothing is open that one could leave, unless a destructor has begun a coroutine.
  if ((control.a & kRootOnStack) == 0) thread->errors.flights.clear();
  thread->tree.root(control.a, control.b, control.position);
}

// What is open here becomes the parent of a thread, or of a program that is executed.
void RecordRouter::spawn(const LanePlace& at, Thread* thread, const Control& control) {
  if (FrameStack* stack = thread->tree.inner_stack_at(control.c)) {
    parts_.emitter->need(thread, stack);
  }
  if (auto context = thread->tree.current_at(control.c)) {
    parts_.spawn_contexts->add(at.segment->info->key.k0, at.number, control.position, *context);
  }
}

void RecordRouter::take_message(const LanePlace& at, const AssembledMessage& message,
                                uint64_t ticks) {
  Thread* thread = at.lane->thread;
  if (message.type == MessageType::kThread) {
    if (auto head = message.head<ThreadMessage>()) {
      parts_.table->begin_thread(at, *head,
                                 parts_.spawn_contexts->context_of(*at.segment->info, *head));
    }
  } else if (thread == nullptr) {
    return;
  } else if (is_operation(message.type)) {
    parts_.operations->message({at.segment, thread, at.number, message.position, ticks}, message);
  } else {
    tell(thread, message, ticks);
  }
}

void RecordRouter::tell(Thread* thread, const AssembledMessage& message, uint64_t ticks) {
  switch (message.type) {
    case MessageType::kThreadName:
      return thread->set_name(message.bytes);
    case MessageType::kModule:
      return parts_.table->add_module(thread->process, message, ticks);
    case MessageType::kModuleGone:
      if (auto gone = message.head<ModuleGoneMessage>()) {
        thread->process->code.remove(gone->start, gone->end);
      }
      return;
    case MessageType::kThrow:
      return parts_.exceptions->thrown(thread, message, ticks);
    case MessageType::kCrash:
      return parts_.exit_errors->crashed(thread, message);
    default:
      return;
  }
}

}  // namespace telinject::drain
