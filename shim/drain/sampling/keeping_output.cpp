#include "shim/drain/sampling/keeping_output.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "shim/channel/clock.h"

namespace telinject::drain {

void KeepingOutput::introduce(const ProcessInfo& process, const Metadata& metadata, int64_t,
                              Places* places) {
  relay_.introduce(process, metadata, places->sequence());
}

int64_t KeepingOutput::within_reach(int64_t ns) {
  constexpr int64_t kAheadNs = 1000000000;
  most_ns_ = clock_ns(CLOCK_REALTIME) + kAheadNs;
  return std::min(ns, most_ns_);
}

// Times of events are those of the system's clock, which may be set: so only what has passed since
// the last event is taken from a clock.
void KeepingOutput::let_time_pass() {
  auto wall = static_cast<int64_t>(monotonic_ns());
  if (!live_ || now_ns_ == 0) return;
  if (now_ns_ == told_ns_) now_ns_ += std::max<int64_t>(wall - since_ns_, 0);
  since_ns_ = wall;
  told_ns_ = now_ns_;
}

void KeepingOutput::pass_on() {
  let_time_pass();
  keep_up();
  for (const auto& output : relay_.outputs()) output->pass_on();
}

void KeepingOutput::flush() {
  settle();
  for (const auto& output : relay_.outputs()) output->flush();
}

void KeepingOutput::hurry() {
  for (const auto& output : relay_.outputs()) output->hurry();
}

uint64_t KeepingOutput::take_lost() {
  const EventOutputs& outputs = relay_.outputs();
  return std::accumulate(
      outputs.begin(), outputs.end(), uint64_t{0},
      [](uint64_t sum, const auto& output) { return sum + output->take_lost(); });
}

uint64_t KeepingOutput::left_out_spans() const {
  const EventOutputs& outputs = relay_.outputs();
  return std::accumulate(
      outputs.begin(), outputs.end(), uint64_t{0},
      [](uint64_t sum, const auto& output) { return sum + output->left_out_spans(); });
}

bool KeepingOutput::hopeless() const {
  const EventOutputs& outputs = relay_.outputs();
  return std::all_of(outputs.begin(), outputs.end(),
                     [](const auto& output) { return output->hopeless(); });
}

bool KeepingOutput::tells_losses() const {
  const EventOutputs& outputs = relay_.outputs();
  return std::all_of(outputs.begin(), outputs.end(),
                     [](const auto& output) { return output->tells_losses(); });
}

std::string KeepingOutput::describe() const {
  std::string text;
  for (const auto& output : relay_.outputs()) {
    text.append(text.empty() ? "" : ", ").append(output->describe());
  }
  return text;
}

uint64_t KeepingOutput::bytes_written() const {
  const EventOutputs& outputs = relay_.outputs();
  return std::accumulate(
      outputs.begin(), outputs.end(), uint64_t{0},
      [](uint64_t sum, const auto& output) { return sum + output->bytes_written(); });
}

std::vector<const EventOutput*> KeepingOutput::destinations() const {
  std::vector<const EventOutput*> all;
  for (const auto& output : relay_.outputs()) all.push_back(output.get());
  return all;
}

uint64_t KeepingOutput::take_numbered() {
  return relay_.told() - std::exchange(counted_, relay_.told());
}

}  // namespace telinject::drain
