// What threads did with their time: samples of it (run_delay.h), among the records.
//
// A sample is of a moment between two records of its thread. It is looked at when all records
// before that moment have been, so that the calls which are open are those that were open then.
// Where it comes too late for that, some that were open have ended, and say nothing; what is still
// open was open then.
#include <algorithm>
#include <utility>

#include "shim/drain/spans/processor.h"

namespace telinject::drain {

namespace {

constexpr size_t kMaxWaiting =
    64;  // samples of a lane. Without one of them the next is of more time
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

// Before the records of their batch are looked at.
void Processor::sort_in(std::vector<Notice>* notices) {
  for (Notice& notice : *notices) {
    if (notice.kind != Notice::Kind::kRunDelay) continue;
    for (const RunDelaySample& sample : notice.run_delay) {
      auto segment = segments_.find(sample.segment);
      if (segment == segments_.end()) continue;
      auto lane = segment->second.lanes.find(sample.lane);
      if (lane == segment->second.lanes.end()) continue;
      std::deque<RunDelaySample>& samples = lane->second.samples;
      if (samples.size() < kMaxWaiting) samples.push_back(sample);
    }
  }
}

void Processor::take_samples(LaneTrack* lane, uint64_t until) {
  while (!lane->samples.empty() && lane->samples.front().after < until) {
    if (lane->thread != nullptr) sampled(lane->thread, lane->samples.front());
    lane->samples.pop_front();
  }
}

void Processor::sampled(Thread* thread, const RunDelaySample& sample) {
  std::optional<RunDelaySample> last = std::exchange(thread->last_sample, sample);
  int64_t waited = std::exchange(thread->waited_since_ns, 0);
  if (!follows(last, sample) || !follows(thread->first_sample, sample)) {
    thread->first_sample = sample;
    thread->run = {.threads = thread->run.threads};  // what was counted so far stays so
    return;
  }
  // A delay is counted when it is over, so between two samples it may be more than the time between
  // them. Between the first and the last it adds up.
  const RunDelaySample& first = *thread->first_sample;
  RunTimes run = {1, clock_->to_ns(sample.after) - clock_->to_ns(first.after),
                  static_cast<int64_t>(sample.running_ns - first.running_ns),
                  static_cast<int64_t>(sample.delayed_ns - first.delayed_ns)};
  run.sampled_ns = std::max<int64_t>(run.sampled_ns, 0);
  run.running_ns = std::min(run.running_ns, run.sampled_ns);
  run.delayed_ns = std::min(run.delayed_ns, run.sampled_ns - run.running_ns);
  count(thread, run);
  // Part of a delay may lie in a wait for room, which is in no call's time.
  auto delayed = static_cast<int64_t>(sample.delayed_ns - last->delayed_ns);
  delayed -= std::min(waited, delayed);
  if (delayed >= kToldNs) thread->tree.delayed(delayed, clock_->to_ns(last->before));
}

// In place of what was counted of it before.
void Processor::count(Thread* thread, const RunTimes& run) {
  auto replace = [](int64_t* sum, int64_t old, int64_t now) { add_ns(sum, now - old); };
  RunTimes& all = events_.facts().run;
  all.threads += run.threads - thread->run.threads;
  replace(&all.sampled_ns, thread->run.sampled_ns, run.sampled_ns);
  replace(&all.running_ns, thread->run.running_ns, run.running_ns);
  replace(&all.delayed_ns, thread->run.delayed_ns, run.delayed_ns);
  thread->run = run;
}

}  // namespace telinject::drain
