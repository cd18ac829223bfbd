// The collector's rounds: in which order records and notices come, also while there is no room for
// records.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "segment.h"
#include "shim/drain/collect/collector.h"

namespace telinject::test::collector_test {
using namespace drain;
namespace {

constexpr int kPid = 4711;

// Runs on a thread of its own until it is told the last words.
class RunningCollector {
 public:
  explicit RunningCollector(size_t queue_bytes) : queue_(queue_bytes, nullptr) {
    std::promise<Collector*> made;
    thread_ = std::thread([this, &made] {
      Collector collector(&queue_, ClockKind::kMonotonic, {128 << 20, true}, &progress_, {});
      made.set_value(&collector);
      collector.run();
    });
    collector_ = made.get_future().get();
  }
  ~RunningCollector() {
    if (!over_) end();
    thread_.join();
  }
  RunningCollector(const RunningCollector&) = delete;
  RunningCollector& operator=(const RunningCollector&) = delete;

  SegmentId open(const TestSegment& segment) {
    CollectorCommand command = {.notice = Notice(Notice::Kind::kSegmentOpened)};
    std::string problem;
    command.notice.os_pid = kPid;
    command.segment = SegmentView::open(segment.descriptor(), &problem);
    REQUIRE(problem.empty());
    SegmentId id = collector_->tell(std::move(command));
    until(Notice::Kind::kSegmentOpened);
    return id;
  }
  void tell(Notice::Kind kind, SegmentId segment = 0) {
    CollectorCommand command = {.notice = Notice(kind)};
    command.notice.segment = segment;
    command.notice.os_pid = kPid;
    collector_->tell(std::move(command));
  }
  void end() {
    over_ = true;
    tell(Notice::Kind::kLastWords);
  }

  // All batches up to the one with such a notice, which is the last.
  std::vector<Batch> until(Notice::Kind kind) {
    std::vector<Batch> batches;
    do {
      batches.push_back(queue_.pop());
    } while (!has(batches.back(), kind));
    return batches;
  }
  static bool has(const Batch& batch, Notice::Kind kind) {
    return std::any_of(batch.notices.begin(), batch.notices.end(),
                       [&](const Notice& notice) { return notice.kind == kind; });
  }

 private:
  BatchQueue queue_;
  std::atomic<uint64_t> progress_{0};
  Collector* collector_ = nullptr;
  bool over_ = false;
  std::thread thread_;
};

void make_call(LaneWriter* lane) {
  lane->entry(1000, 0x1000, 0x2000, 0x7fff0000, 0x2005);
  lane->exit(2000, 0x1000, 0x7fff0000);
}

bool any_has(const std::vector<Batch>& batches, Notice::Kind kind) {
  return std::any_of(batches.begin(), batches.end(),
                     [&](const Batch& batch) { return RunningCollector::has(batch, kind); });
}

size_t segments_with_records(const std::vector<Batch>& batches) {
  std::vector<SegmentId> found;
  for (const Batch& batch : batches) {
    for (const LaneRun& run : batch.runs) {
      if (std::find(found.begin(), found.end(), run.segment) == found.end()) {
        found.push_back(run.segment);
      }
    }
  }
  return found.size();
}

}  // namespace

TEST_CASE("while there is no room, ends of processes wait for what these wrote") {
  TestSegment segment;
  LaneWriter lane(&segment, 0);
  make_call(&lane);
  RunningCollector collector(0);  // the queue is full from the start
  SegmentId id = collector.open(segment);
  collector.tell(Notice::Kind::kProcessEnded, id);
  collector.tell(Notice::Kind::kUntraced);
  std::vector<Batch> batches = collector.until(Notice::Kind::kUntraced);
  CHECK_FALSE(any_has(batches, Notice::Kind::kProcessEnded));
  CHECK(segments_with_records(batches) == 0);
  collector.end();
  batches = collector.until(Notice::Kind::kProcessEnded);
  CHECK(segments_with_records(batches) == 1);
}

TEST_CASE("who waits for all to be written gets all, whether there is room or not") {
  TestSegment first, second;
  LaneWriter first_lane(&first, 0), second_lane(&second, 0);
  make_call(&first_lane);
  make_call(&second_lane);
  RunningCollector collector(0);
  collector.open(first);
  collector.open(second);
  auto kind = GENERATE(Notice::Kind::kFlush, Notice::Kind::kProgramEnded, Notice::Kind::kLastWords);
  if (kind == Notice::Kind::kFlush) {
    first.header()->flush_requested.store(1);
  } else if (kind == Notice::Kind::kLastWords) {
    collector.end();
  } else {
    collector.tell(kind);
  }
  std::vector<Batch> batches = collector.until(kind);
  CHECK(segments_with_records(batches) == 2);
  CHECK(batches.back().watermark > 2000);
}

TEST_CASE("calls that a thread lost before its lane was seen are told") {
  TestSegment segment;
  RunningCollector collector(64 << 20);
  auto told = [&] {
    std::vector<Batch> batches = collector.until(Notice::Kind::kLaneEnded);
    const std::vector<Notice>& notices = batches.back().notices;
    return std::find_if(
               notices.begin(), notices.end(),
               [](const Notice& notice) { return notice.kind == Notice::Kind::kLaneEnded; })
        ->lost_calls;
  };
  auto lose = [&](uint64_t calls) {
    LaneWriter lane(&segment, 0);
    make_call(&lane);
    segment.lane(0)->lost_calls.fetch_add(calls);
    lane.end();
  };
  lose(7);
  collector.open(segment);
  CHECK(told() == 7);
  // The lane's next owner.
  while (segment.header()->claimed[0].load() != 0) usleep(1000);
  lose(3);
  CHECK(told() == 3);
}

}  // namespace telinject::test::collector_test
