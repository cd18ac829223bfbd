// Recordings of any content, read and replayed as `telinject convert` does; also those that begin
// with a processor's state. Seeds of these: split_convert (tests/unit/drain), as it says itself.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "shim/drain/recording/recording.h"
#include "tests/fuzz/input.h"
#include "tests/unit/drain/test_drain.h"

using namespace telinject;
using namespace telinject::drain;
using namespace telinject::test;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int fd = memfd_create("recording", MFD_CLOEXEC);
  fuzz::require(write(fd, data, size) == static_cast<ssize_t>(size));
  std::string problem, lines;
  auto reader = RecordingReader::open("/proc/self/fd/" + std::to_string(fd), &problem);
  close(fd);
  if (reader == nullptr) {
    fuzz::require(!problem.empty());
    return 0;
  }
  std::vector<ClockAnchor> anchors = reader->first_anchors();
  if (anchors.size() < 2) anchors = {{1000, 1000}, {2000, 2000}};
  ClockKeeper clock(ClockKind::kTsc, anchors[0], 1763726400000000000, anchors[1]);
  BatchQueue queue(0, nullptr);
  std::atomic<uint64_t> progress{0};
  Processor::Options options;
  options.replay = true;
  Processor processor(&queue, &clock, memory_output(&lines), std::move(options),
                      {[](SegmentId, int) {}, [] {}, &progress});
  while (auto frame = reader->next()) {
    // One that was not taken has left anything behind: all that is to be done then is to go.
    if (!frame->state.empty() && !processor.restore(frame->state)) return 0;
    processor.lose_recorded(frame->lost);
    if (frame->anchor.has_value()) clock.add_anchor(*frame->anchor);
    if (frame->batch.has_value()) processor.replay(std::move(*frame->batch));
  }
  processor.finish_replay();
  fuzz::require(lines.empty() || lines.back() == '\n');
  return 0;
}
