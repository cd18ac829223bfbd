// What one processor leaves to another, that goes on with the records behind: when the user has
// interrupted the drain, `telinject convert` does.
//
// All that decides over an event to come is in it. What is added to a processor, a process, a
// thread, a call tree or HTTP's state has to be here, or in the io() of its class, too; the sizes
// below are a reminder. Left out is what can be found again (names of addresses, prepared text),
// what is the next processor's own (sink, options, metadata) and what the collector keeps, which
// lives on.
#include <algorithm>
#include <limits>
#include <set>

#include "absl/base/config.h"
#include "shim/drain/recording/recorder.h"
#include "shim/drain/records/shadow_lane.h"
#include "shim/drain/spans/archive.h"
#include "shim/drain/spans/processor.h"

namespace telinject::drain {

namespace {

// To be raised with each change of what is written.
constexpr uint64_t kFormat =
    9 + ((sizeof(SegmentKey) + sizeof(ParentContext) + sizeof(TraceContext)) << 8);

#if defined(__GLIBCXX__) && defined(__x86_64__) && ABSL_LTS_RELEASE_VERSION == 20220623
template <size_t actual, size_t known>
constexpr bool is_as_known() {
  static_assert(actual == known, "something was added to it: is it in its io(), or here?");
  return true;
}
#endif

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

// Numbers that several processes count on, one behind the other.
using Counter = std::shared_ptr<uint64_t>;

template <typename Archive>
void io_counter(Archive& a, std::vector<Counter>* known, Counter* counter) {
  uint64_t index = 0;
  while (index < known->size() && (*known)[index] != *counter) index++;
  a(index);
  if (index < known->size()) {
    *counter = (*known)[index];
    return;
  }
  if (Archive::kReads) *counter = std::make_shared<uint64_t>(0);
  a(**counter);
  known->push_back(*counter);
}

}  // namespace

template <typename Archive>
void Processor::io_process(Archive& a, std::vector<std::shared_ptr<uint64_t>>* counters,
                           SegmentState* segment, Process* process) {
  a(*process);
  process->segment = segment;
  io_counter(a, counters, &process->sequence);
  a(process->stacks);
  [[maybe_unused]] SpanWriter* writer = this;
  uint64_t threads = a.count(process->threads.size());
  for (uint64_t i = 0; i < threads && a.good(); i++) {
    if constexpr (Archive::kReads) {
      process->threads.push_back(std::make_unique<Thread>(process, SegmentKey{}, 0, ThreadMessage{},
                                                          std::nullopt, writer));
    }
    a(*process->threads[i]);
    a.enroll(process->threads[i].get());
  }
}

template <typename Archive>
void Processor::io_segment(Archive& a, std::vector<std::shared_ptr<uint64_t>>* counters,
                           SegmentState* segment) {
  SegmentInfo info;
  bool known = segment->info != nullptr;
  a(known);
  if (known) {
    if (!Archive::kReads) info = *segment->info;
    a(info);
    if (Archive::kReads) segment->info = std::make_shared<SegmentInfo>(info);
  }
  a(segment->os_pid, segment->executed, segment->notes);
  std::vector<uint64_t> ids;
  for (auto& [id, process] : segment->processes) ids.push_back(id);
  a(ids);
  if (!known && !ids.empty()) return a.fail();
  for (uint64_t id : ids) {
    std::unique_ptr<Process>& process = segment->processes[id];
    if (process == nullptr) process = std::make_unique<Process>(id, 0, &modules_, &sites_);
    io_process(a, counters, segment, process.get());
  }
  std::vector<uint32_t> numbers;
  for (auto& [number, lane] : segment->lanes) numbers.push_back(number);
  a(numbers);
  for (uint32_t number : numbers) {
    LaneTrack& lane = segment->lanes[number];
    a(lane.stream, lane.preemptions, lane.messages, lane.samples);
    a.refer(lane.thread);
  }
  if (Archive::kReads && !lanes_make_sense(*segment)) return a.fail();
  OperationKinds::io_segment(a, segment);
}

// What threads have to wait for still: until it is known how they ended.
template <typename Archive>
void Processor::io_undecided(Archive& a) {
  uint64_t now = now_ns(), size = a.count(undecided_.size());
  for (uint64_t i = 0; i < size && a.good(); i++) {
    Thread* thread = Archive::kReads ? nullptr : undecided_[i];
    a.refer(thread);
    uint64_t left =
        thread == nullptr || thread->decide_by_ns < now ? 0 : thread->decide_by_ns - now;
    a(left);
    if (thread == nullptr || !thread->ended) return a.fail();
    if (Archive::kReads) {
      if (std::find(undecided_.begin(), undecided_.end(), thread) != undecided_.end()) {
        return a.fail();
      }
      thread->decide_by_ns = now + std::min<uint64_t>(left, std::numeric_limits<int64_t>::max());
      undecided_.push_back(thread);
    }
  }
}

template <typename Archive>
void Processor::io_outputs(Archive& a) {
  std::vector<std::string> states;
  if (!Archive::kReads) states = events_.save_outputs();
  a(states);
  if (!Archive::kReads || !a.good()) return;
  std::vector<Process*> processes;
  for (auto& [id, segment] : segments_) {
    for (auto& [number, process] : segment.processes) processes.push_back(process.get());
  }
  if (!events_.restore_outputs(states, processes)) a.fail();
}

template <typename Archive>
void Processor::io(Archive& a) {
  uint64_t format = kFormat;
  a(format);
  if (format != kFormat) return a.fail();
  a(*clock_, replay_ticks_, operations_, modules_, sites_);
  std::vector<Counter> counters;
  events_.io(a, [&](Counter* counter) { io_counter(a, &counters, counter); });
  std::vector<SegmentId> ids;
  for (auto& [id, segment] : segments_) ids.push_back(id);
  a(ids);
  for (SegmentId id : ids) {
    if (Archive::kReads && segments_.contains(id)) return a.fail();
    segments_[id].id = id;
    io_segment(a, &counters, &segments_[id]);
  }
  io_undecided(a);
  io_outputs(a);
  a(references_, reference_order_);
#if defined(__GLIBCXX__) && defined(__x86_64__) && ABSL_LTS_RELEASE_VERSION == 20220623
  static_assert(is_as_known<sizeof(Frame), 176>());
  static_assert(is_as_known<sizeof(Thread), 784>());
  static_assert(is_as_known<sizeof(Process), 752>());
  static_assert(is_as_known<sizeof(SegmentState), 160>());
  static_assert(is_as_known<sizeof(SummaryFacts), 296>());
  static_assert(is_as_known<sizeof(HttpState), 456>());
  static_assert(is_as_known<sizeof(HttpTransfer), 224>());
  static_assert(is_as_known<sizeof(OpaqueTls), 280>());
  static_assert(is_as_known<sizeof(OpenOperation), 144>());
  static_assert(is_as_known<sizeof(HttpExchange), 688>());
  static_assert(is_as_known<sizeof(HttpConnection), 152>());
#endif
}

std::string Processor::save() {
  events_.count_bytes();
  events_.facts().bytes_before = events_.facts().bytes;
  ArchiveWriter writer;
  io(writer);
  return writer.take();
}

bool Processor::restore(std::string_view state) {
  ArchiveReader reader(state);
  io(reader);
  return reader.good() && reader.at_end();
}

Batch Processor::take_rest() {
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

void Processor::introduce(Recorder* recorder) const {
  for (const auto& [id, segment] : segments_) {
    if (segment.info == nullptr) continue;
    recorder->know(id, segment.info, segment.os_pid);
    for (const auto& [number, lane] : segment.lanes) {
      if (lane.thread != nullptr) recorder->know(id, number);
    }
  }
}

}  // namespace telinject::drain
