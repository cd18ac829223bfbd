#include "shim/drain/spans/time_away.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "shim/drain/naming/function_totals.h"

namespace telinject::drain {

namespace {

constexpr uint64_t kMost = uint64_t{1} << 62;  // what the kernel counts is less
// Shorter delays are not told: each thread has them all the time.
constexpr int64_t kToldNs = 1000000;

// Else it is not of the same thread, or nothing that a kernel says.
bool follows(const std::optional<RunDelaySample>& last, const RunDelaySample& sample) {
  return last.has_value() && sample.before <= sample.after && sample.after > last->after &&
         sample.running_ns >= last->running_ns && sample.delayed_ns >= last->delayed_ns &&
         sample.running_ns < kMost && sample.delayed_ns < kMost;
}

}  // namespace

// Never negative.
int64_t TimeAway::span_until(uint64_t ticks, uint64_t span) {
  return std::max<int64_t>(clock_->to_ns(ticks) - clock_->to_ns(ticks - std::min(span, ticks)), 0);
}

void TimeAway::away(Thread* thread, Kind kind, uint64_t ticks, uint64_t span) {
  // Waits of one thread follow each other, whatever it says.
  if (kind == Kind::kWait) {
    uint64_t& until = thread->run_delay.waited_until;
    span = std::min(span, ticks - std::min(ticks, until));
    until = std::max(until, ticks);
  }
  int64_t now_ns = clock_->to_ns(ticks), ns = span_until(ticks, span);
  add_ns(&thread->run_delay.away_ns, ns);
  SummaryFacts& facts = events_->facts();
  switch (kind) {
    case Kind::kWait:
      thread->tree.waited(ns, now_ns);
      facts.waits++;
      add_ns(&facts.waited_ns, ns);
      break;
    case Kind::kPreemption:
      thread->tree.preempted(ns, now_ns);
      facts.preemptions++;
      add_ns(&facts.preempted_ns, ns);
      break;
  }
}

void TimeAway::sampled(Thread* thread, const RunDelaySample& sample) {
  RunDelayTrack& track = thread->run_delay;
  std::optional<RunDelaySample> last = std::exchange(track.last, sample);
  int64_t away_ns = std::exchange(track.away_ns, 0);
  if (!follows(last, sample) || !follows(track.first, sample)) {
    track.first = sample;
    track.run = {.threads = track.run.threads};  // what was counted so far stays so
    return;
  }
  count(thread, run_until(*track.first, sample));
  // Part of a delay may lie in a wait for room, which is in no call's time.
  auto delayed_ns = static_cast<int64_t>(sample.delayed_ns - last->delayed_ns);
  delayed_ns -= std::min(away_ns, delayed_ns);
  if (delayed_ns >= kToldNs) thread->tree.delayed(delayed_ns, clock_->to_ns(last->before));
}

// A delay is counted when it is over, so between two samples it may be more than the time between
// them. Between the first and the last it adds up.
RunTimes TimeAway::run_until(const RunDelaySample& first, const RunDelaySample& sample) {
  RunTimes run = {1, clock_->to_ns(sample.after) - clock_->to_ns(first.after),
                  static_cast<int64_t>(sample.running_ns - first.running_ns),
                  static_cast<int64_t>(sample.delayed_ns - first.delayed_ns)};
  run.sampled_ns = std::max<int64_t>(run.sampled_ns, 0);
  run.running_ns = std::min(run.running_ns, run.sampled_ns);
  run.delayed_ns = std::min(run.delayed_ns, run.sampled_ns - run.running_ns);
  return run;
}

// In place of what was counted of it before.
void TimeAway::count(Thread* thread, const RunTimes& run) {
  auto replace = [](int64_t* sum, int64_t old, int64_t now) { add_ns(sum, now - old); };
  RunTimes& counted = thread->run_delay.run;
  RunTimes& all = events_->facts().run;
  all.threads += run.threads - counted.threads;
  replace(&all.sampled_ns, counted.sampled_ns, run.sampled_ns);
  replace(&all.running_ns, counted.running_ns, run.running_ns);
  replace(&all.delayed_ns, counted.delayed_ns, run.delayed_ns);
  counted = run;
}

}  // namespace telinject::drain
