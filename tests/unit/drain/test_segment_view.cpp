// A program's segment: looked at closely before anything of it is used.
#include <catch2/catch.hpp>

#include <cstring>
#include <functional>
#include <string>

#include "segment.h"
#include "shim/drain/records/segment_view.h"

namespace telinject::test {
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

TEST_CASE("a file that could shrink, is none, or is too small is refused and closed") {
  std::string problem;
  TestSegment unsealed(2, 32, /*sealed=*/false);
  CHECK(SegmentView::open(unsealed.descriptor(), &problem) == nullptr);
  CHECK(problem.find("shrink") != std::string::npos);
  int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(SegmentView::open(directory, &problem) == nullptr);
  CHECK(fcntl(directory, F_GETFD) < 0);
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

}  // namespace telinject::test
