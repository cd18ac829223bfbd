// Whether a program's threads should wait for room: the collector tells them.
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "segment.h"
#include "shim/drain/collect/collector.h"

namespace telinject::test::room_comes_test {
using namespace drain;

TEST_CASE("room comes as long as the disk takes what memory cannot hold") {
  bool disk = GENERATE(false, true);
  TestSegment segment;
  segment.header()->room_comes.store(disk ? 0 : 1);
  Spool spool("/tmp", disk ? 1 << 20 : 0);
  BatchQueue queue(0, &spool);  // it is full from the start
  std::atomic<uint64_t> progress{0};
  Collector collector(&queue, ClockKind::kMonotonic, {1 << 20, true}, &progress, {});
  CollectorCommand opened, last;
  std::string problem;
  opened.notice.kind = Notice::Kind::kSegmentOpened;
  opened.segment = SegmentView::open(segment.descriptor(), &problem);
  REQUIRE(problem.empty());
  collector.tell(std::move(opened));
  last.notice.kind = Notice::Kind::kLastWords;
  collector.tell(std::move(last));
  collector.run();
  CHECK(segment.header()->room_comes.load() == (disk ? 1 : 0));
}

}  // namespace telinject::test::room_comes_test
