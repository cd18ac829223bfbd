// What one processor leaves to another, that goes on with the records behind: when the user has
// interrupted the drain, `telinject convert` does.
//
// All that decides over an event to come is in it. What is added to a processor, a process, a
// thread or a call tree has to be here, or in the io() of its class, too; the sizes below are a
// reminder.
#include <algorithm>
#include <limits>

#include "shim/drain/archive.h"
#include "shim/drain/processor.h"
#include "shim/drain/recorder.h"

namespace telinject {

namespace {

// To be raised with each change of what is written.
constexpr uint64_t kFormat =
    2 + ((sizeof(SegmentKey) + sizeof(ParentContext) + sizeof(TraceContext)) << 8);

#if defined(__GLIBCXX__) && defined(__x86_64__)
template <size_t actual, size_t known>
constexpr bool is_as_known() {
  static_assert(actual == known, "something was added to it: is it in its io(), or here?");
  return true;
}
#endif

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
                           Process* process) {
  a(*process);
  io_counter(a, counters, &process->sequence);
  std::vector<uint64_t> shared;
  for (auto& [lo, stack] : process->stacks) shared.push_back(lo);
  a(shared);
  for (uint64_t lo : shared) {
    std::unique_ptr<FrameStack>& stack = process->stacks[lo];
    if (stack == nullptr) stack = std::make_unique<FrameStack>();
    a(*stack);
  }
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
  for (uint64_t id : ids) {
    std::unique_ptr<Process>& process = segment->processes[id];
    if (process == nullptr) process = std::make_unique<Process>(id, 0, &modules_, &sites_);
    io_process(a, counters, process.get());
  }
  std::vector<uint32_t> numbers;
  for (auto& [number, lane] : segment->lanes) numbers.push_back(number);
  a(numbers);
  for (uint32_t number : numbers) {
    LaneTrack& lane = segment->lanes[number];
    a(lane.stream, lane.messages);
    a.refer(lane.thread);
  }
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
    if (thread == nullptr) return a.fail();
    if (Archive::kReads) {
      thread->decide_by_ns = now + std::min<uint64_t>(left, std::numeric_limits<int64_t>::max());
      undecided_.push_back(thread);
    }
  }
}

template <typename Archive>
void Processor::io(Archive& a) {
  uint64_t format = kFormat;
  a(format);
  if (format != kFormat) return a.fail();
  a(*clock_, replay_ticks_, facts_, losses_, modules_, sites_);
  std::vector<std::shared_ptr<uint64_t>> counters;
  std::vector<int> pids;
  for (auto& [pid, sequence] : sequences_) pids.push_back(pid);
  a(pids);
  for (int pid : pids) io_counter(a, &counters, &sequences_[pid]);
  std::vector<SegmentId> ids;
  for (auto& [id, segment] : segments_) ids.push_back(id);
  a(ids);
  for (SegmentId id : ids) io_segment(a, &counters, &segments_[id]);
  io_undecided(a);
  a(references_, reference_order_);
#if defined(__GLIBCXX__) && defined(__x86_64__)
  static_assert(is_as_known<sizeof(Frame), 104>());
  static_assert(is_as_known<sizeof(Thread), 504>());
  static_assert(is_as_known<sizeof(Process), 480>());
  static_assert(is_as_known<sizeof(SegmentState), 128>());
  static_assert(is_as_known<sizeof(SummaryFacts), 232>());
#endif
}

std::string Processor::save() {
  facts_.bytes_before += sink_->bytes_written();
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
      for (Run& run : lane.stream.rest()) {
        rest.bytes += run.bytes.size();
        rest.runs.push_back({id, number, std::move(run)});
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

}  // namespace telinject
