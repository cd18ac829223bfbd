// A program's segment: looked at closely before anything of it is used.
#include <catch2/catch.hpp>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstring>
#include <functional>
#include <string>

#include "segment.h"
#include "shim/drain/records/segment_view.h"

namespace telinject::test::segment_view_test {
using namespace drain;
namespace {

std::string problem_with(const std::function<void(SegmentHeader*)>& change) {
  TestSegment segment;
  change(segment.header());
  std::string problem;
  std::unique_ptr<SegmentView> view = SegmentView::open(segment.descriptor(), &problem);
  CHECK((view == nullptr) == (problem != ""));
  return problem;
}

}  // namespace

TEST_CASE("a segment as the library makes it") {
  TestSegment segment(3, 20);
  SegmentHeader* header = segment.header();
  std::memcpy(header->path, "/bin/x", 6);
  header->path_bytes = 6;
  std::memcpy(header->command_line, "x -y", 4);
  header->command_line_bytes = 4;
  std::string problem;
  std::unique_ptr<SegmentView> view = SegmentView::open(segment.descriptor(), &problem);
  REQUIRE(view != nullptr);
  CHECK(view->info().path == "/bin/x");
  CHECK(view->info().command_line == "x -y");
  CHECK(view->info().pid == 4711);
  CHECK(view->lane_count() == 3);
  CHECK(view->chunk_count() == 20);
  segment.lane(2)->roots.store(5);
  CHECK(view->lane(2)->roots.load() == 5);
}

TEST_CASE("headers that cannot be are refused, with a reason") {
  CHECK(problem_with([](SegmentHeader*) {}) == "");
  CHECK(problem_with([](SegmentHeader* h) { h->magic++; }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->layout_version = 9; }).find("layout 9") !=
        std::string::npos);
  CHECK(problem_with([](SegmentHeader* h) { h->header_bytes--; }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->lane_count = 0; }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->lane_count = kMaxLanes; }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->lane_count = ~0u; }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->chunk_count = 33; }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->chunk_count = 0; }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->chunk_count = ~0u; }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->clock = static_cast<ClockKind>(0); }) != "");
  CHECK(problem_with([](SegmentHeader* h) { h->clock = static_cast<ClockKind>(3); }) != "");
}

TEST_CASE("texts that claim to be longer than their place are cut") {
  TestSegment segment;
  std::memset(segment.header()->path, 'p', kPathBytes);
  std::memset(segment.header()->command_line, 'c', kCommandLineBytes);
  segment.header()->path_bytes = ~0u;
  segment.header()->command_line_bytes = ~0u;
  std::string problem;
  std::unique_ptr<SegmentView> view = SegmentView::open(segment.descriptor(), &problem);
  REQUIRE(view != nullptr);
  CHECK(view->info().path == std::string(kPathBytes, 'p'));
  CHECK(view->info().command_line == std::string(kCommandLineBytes, 'c'));
}

TEST_CASE("what another process sends is a memory file with the library's seals, or refused") {
  std::string problem;
  auto refused = [&](int fd) {
    bool is_one = SegmentView::is_memory_file(fd, &problem);
    close(fd);
    return !is_one;
  };
  TestSegment segment;
  CHECK_FALSE(refused(segment.descriptor()));
  TestSegment unsealed(2, 32, /*sealed=*/false);
  CHECK(refused(unsealed.descriptor()));
  CHECK(problem.find("shrink") != std::string::npos);
  for (int seal : {F_SEAL_SEAL, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_GROW}) {
    CAPTURE(seal);
    TestSegment sealed;
    sealed.unmap();
    int fd = sealed.descriptor();
    REQUIRE(fcntl(fd, F_ADD_SEALS, seal) == 0);
    CHECK(refused(fd));
    CHECK(problem.find("unexpected seals") != std::string::npos);
  }
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  close(ends[1]);
  for (int fd : {open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), open("/dev/zero", O_RDWR),
                 open("/proc/self/exe", O_RDONLY), open("/proc/self/exe", O_PATH),
                 open("/dev/shm", O_TMPFILE | O_RDWR, 0600), socket(AF_UNIX, SOCK_STREAM, 0),
                 ends[0], epoll_create1(0), eventfd(0, 0)}) {
    CAPTURE(fd);
    REQUIRE(fd >= 0);
    CHECK(refused(fd));
  }
  CHECK(refused(-1));
}

TEST_CASE("a segment that is read already is refused, and not disturbed") {
  TestSegment segment;
  std::string problem;
  std::unique_ptr<SegmentView> view = SegmentView::open(segment.descriptor(), &problem);
  REQUIRE(view != nullptr);
  CHECK(SegmentView::open(segment.descriptor(), &problem) == nullptr);
  CHECK(problem.find("already") != std::string::npos);
  CHECK((segment.header()->drain.word.load() & kOwnerDied) == 0);
  view.reset();
  CHECK(SegmentView::open(segment.descriptor(), &problem) != nullptr);
}

TEST_CASE("a segment that its program seals while it is read is given up") {
  TestSegment segment;
  std::string problem;
  std::unique_ptr<SegmentView> view = SegmentView::open(segment.descriptor(), &problem);
  REQUIRE(view != nullptr);
  int fd = segment.descriptor();
  REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
  segment.unmap();
  CHECK(view->mapped_elsewhere() == SegmentView::Elsewhere::kGone);
  close(fd);
}

TEST_CASE("a file of another size than its header says, or too small, is refused and closed") {
  std::string problem;
  TestSegment grown;
  int fd = grown.descriptor();
  REQUIRE(ftruncate(fd, static_cast<off_t>(grown.size() + kPageBytes)) == 0);
  CHECK(SegmentView::open(fd, &problem) == nullptr);
  int empty = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  REQUIRE(fcntl(empty, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
  CHECK(SegmentView::open(empty, &problem) == nullptr);
  CHECK(problem.find("0 bytes") != std::string::npos);
  CHECK(fcntl(empty, F_GETFD) < 0);
}

TEST_CASE("whether another process still has it mapped, and reading on after that") {
  TestSegment segment;
  std::string problem;
  std::unique_ptr<SegmentView> view = SegmentView::open(segment.descriptor(), &problem);
  REQUIRE(view != nullptr);
  segment.lane(0)->roots.store(7);
  CHECK(view->mapped_elsewhere() == SegmentView::Elsewhere::kYes);
  segment.lane(0)->roots.store(8);
  CHECK(view->lane(0)->roots.load() == 8);  // still shared
  CHECK(view->writable());
  segment.unmap();
  CHECK(view->mapped_elsewhere() == SegmentView::Elsewhere::kNo);
  CHECK(view->lane(0)->roots.load() == 8);
  CHECK_FALSE(view->writable());
}

}  // namespace telinject::test::segment_view_test
