#include "shim/drain/spans/call_losses.h"

#include <optional>
#include <utility>

namespace telinject::drain {

namespace {

constexpr int64_t kBetweenEventsNs = 100000000;

}  // namespace

void CallLosses::lost(Thread* thread, uint64_t calls, uint64_t ticks, bool now) {
  events_->losses().add(LossReason::kQueueFull, calls);
  thread->tree.lost(calls);
  LossesTold& losses = thread->losses;
  losses.untold += calls;
  if (losses.untold == 0) return;
  int64_t ns = clock_->to_ns(ticks);
  if (!now && ns - static_cast<int64_t>(losses.last_event_ns) < kBetweenEventsNs) return;
  // A note in the trace, no child of the call that happens to be open.
  auto context = thread->tree.current();
  TraceId trace = context.has_value() && context->sampled ? context->trace : TraceId();
  events_->tell_loss(thread->process, thread, LossReason::kQueueFull, losses.untold, ns, trace);
  losses.told += std::exchange(losses.untold, 0);
  losses.last_event_ns = static_cast<uint64_t>(ns);
}

void CallLosses::lost_in_segment(SegmentState* segment, LossReason reason, uint64_t calls,
                                 uint64_t ticks) {
  events_->losses().add(reason, calls);
  if (segment->processes.empty()) return;
  Process* process = segment->processes.begin()->second.get();
  events_->tell_loss(process, nullptr, reason, calls, clock_->to_ns(ticks));
}

void CallLosses::forgotten(Process* process, uint64_t calls, uint64_t ticks) {
  events_->losses().add(LossReason::kStacks, calls);
  process->forgotten.untold += calls;
  if (clock_->to_ns(ticks) - process->forgotten.last_event_ns >= kBetweenEventsNs) {
    tell_forgotten(process, ticks);
  }
}

void CallLosses::tell_forgotten(Process* process, uint64_t ticks) {
  if (process->forgotten.untold == 0) return;
  int64_t ns = clock_->to_ns(ticks);
  events_->tell_loss(process, nullptr, LossReason::kStacks, process->forgotten.untold, ns);
  process->forgotten = {0, ns};
}

}  // namespace telinject::drain
