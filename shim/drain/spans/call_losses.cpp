#include "shim/drain/spans/call_losses.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "shim/drain/base/warn.h"

namespace telinject::drain {

namespace {

constexpr int64_t kBetweenEventsNs = 100000000;
static_assert(kLossReasons <= 32, "Process::unknown_losses_told has a bit for each");
// A thread does not lose calls faster than one a nanosecond.
constexpr uint64_t kMostThreads = 1024;  // that run at the same time
constexpr int64_t kInexactNs = 100000000;
constexpr uint64_t kLongestBeforeDrain = uint64_t{1} << 41;  // ticks: ten minutes, or half an hour

}  // namespace

// By one thread. When it began is the program's word, too.
uint64_t CallLosses::most_since_start(const SegmentState& segment) const {
  uint64_t first = time_->first_ticks();
  uint64_t start =
      std::max(segment.info->start_ticks, first - std::min(first, kLongestBeforeDrain));
  int64_t since = clock_->to_ns(time_->ticks()) - clock_->to_ns(start);
  return static_cast<uint64_t>(std::max<int64_t>(since, 0) + kInexactNs);
}

void CallLosses::lost_unknown(Process* process, LossReason reason, uint64_t ticks) {
  events_->losses().add_unknown(reason);
  uint32_t bit = uint32_t{1} << static_cast<uint32_t>(reason);
  if ((std::exchange(process->unknown_losses_told, process->unknown_losses_told | bit) & bit) != 0)
    return;
  warn("process ", process->pid, " counts more lost calls (", loss_reason_name(reason),
       ") than it can have made, so their number is not known: it may have overwritten "
       "telinject's memory");
  events_->tell_loss(process, nullptr, reason, Losses::kUnknown, clock_->to_ns(ticks));
}

void CallLosses::lost(Thread* thread, uint64_t calls, uint64_t ticks, bool now) {
  uint64_t most = most_since_start(*thread->process->segment);
  if (calls > most || thread->losses.told + thread->losses.untold > most - calls) {
    return lost_unknown(thread->process, LossReason::kQueueFull, ticks);
  }
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
  Process* process =
      segment->processes.empty() ? nullptr : segment->processes.begin()->second.get();
  if (segment->info == nullptr || calls / kMostThreads > most_since_start(*segment)) {
    if (process != nullptr) return lost_unknown(process, reason, ticks);
    return events_->losses().add_unknown(reason);
  }
  events_->losses().add(reason, calls);
  if (process == nullptr) return;
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
