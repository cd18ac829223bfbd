#include "shim/drain/records/segment_view.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "shim/channel/clock.h"
#include "shim/events/redact_arguments.h"

namespace telinject::drain {

namespace {

// The wall clock is the same in all time namespaces, so a program's pair of the two tells how far
// its CLOCK_MONOTONIC is from ours. Small differences are those of reading, and of the wall clock's
// being set since.
uint64_t ticks_ahead(const SegmentInfo& info) {
  constexpr uint64_t kTolerance = 100000000;
  if (info.start_realtime_ns == 0) return 0;
  auto unsigned_ = [](int64_t value) { return static_cast<uint64_t>(value); };
  uint64_t theirs = unsigned_(info.start_monotonic_ns) - unsigned_(info.start_realtime_ns);
  uint64_t ours = unsigned_(clock_ns(CLOCK_MONOTONIC)) - unsigned_(clock_ns(CLOCK_REALTIME));
  uint64_t ahead = theirs - ours;
  return ahead + kTolerance <= 2 * kTolerance ? 0 : ahead;
}

}  // namespace

std::unique_ptr<SegmentView> SegmentView::open(int memfd, std::string* problem) {
  struct stat status = {};
  if (fstat(memfd, &status) != 0 || !S_ISREG(status.st_mode)) {
    *problem = "a program sent a descriptor that is no memory file";
    close(memfd);
    return nullptr;
  }
  int seals = fcntl(memfd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    *problem = "a program sent a memory file that could shrink while it is read";
    close(memfd);
    return nullptr;
  }
  std::unique_ptr<SegmentView> view(new SegmentView(memfd, static_cast<size_t>(status.st_size)));
  if (view->bytes_ < sizeof(SegmentHeader) || !view->reserve() ||
      !view->map(PROT_READ | PROT_WRITE, MAP_SHARED)) {
    *problem = absl::StrCat(
        "a program's memory file of ", view->bytes_, " bytes cannot be mapped (", strerror(errno),
        "); it is not traced: raise the limit on memory ", "(ulimit -v, ulimit -d)");
    view->refuse();
    return nullptr;
  }
  if (view->read_header(problem)) return view;
  view->refuse();
  return nullptr;
}

// By a write to the file, for it may not be possible to map it.
void SegmentView::refuse() {
  uint32_t word = kOwnerDied;
  constexpr off_t kPlace = offsetof(SegmentHeader, drain) + offsetof(RobustOwner, word);
  [[maybe_unused]] ssize_t n = pwrite(memfd_, &word, sizeof word, kPlace);
}

SegmentView::~SegmentView() {
  if (base_ != nullptr) munmap(base_ - kPageBytes, bytes_ + kPageBytes);
  close(memfd_);
}

// Not writable, so that it does not count against a limit on data.
bool SegmentView::reserve() {
  void* base = mmap(nullptr, bytes_ + kPageBytes, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED || mprotect(base, kPageBytes, PROT_READ | PROT_WRITE) != 0) return false;
  base_ = static_cast<std::byte*>(base) + kPageBytes;
  return true;
}

bool SegmentView::map(int protection, int flags) {
  return mmap(base_, bytes_, protection, flags | MAP_FIXED, memfd_, 0) != MAP_FAILED;
}

bool SegmentView::read_header(std::string* problem) {
  const SegmentHeader* header = this->header();
  lane_count_ = header->lane_count;
  chunk_count_ = header->chunk_count;
  if (header->magic != kSegmentMagic || header->layout_version != kLayoutVersion ||
      header->header_bytes != sizeof(SegmentHeader)) {
    *problem = absl::StrCat("a program's library speaks layout ", header->layout_version,
                            ", this drain ", kLayoutVersion, ": install both from one release");
    return false;
  }
  if (lane_count_ == 0 || lane_count_ > kMaxLanes || chunk_count_ == 0 ||
      chunk_count_ > kMaxChunks || segment_bytes(lane_count_, chunk_count_) > bytes_ ||
      (header->clock != ClockKind::kTsc && header->clock != ClockKind::kMonotonic)) {
    *problem = "a program's segment has sizes that do not agree; it is left out";
    return false;
  }
  info_.key = {header->key[0], header->key[1]};
  info_.pid = header->pid;
  info_.clock = header->clock;
  info_.start_monotonic_ns = header->start_monotonic_ns;
  info_.start_realtime_ns = header->start_realtime_ns;
  if (info_.clock == ClockKind::kMonotonic) info_.ticks_ahead = ticks_ahead(info_);
  info_.start_ticks = info_.our_ticks(header->start_ticks);
  info_.inherited = header->inherited;
  info_.parent = header->parent;
  info_.path.assign(header->path, std::min<size_t>(header->path_bytes, kPathBytes));
  info_.command_line = redact_joined_arguments(std::string(
      header->command_line, std::min<size_t>(header->command_line_bytes, kCommandLineBytes)));
  return true;
}

SegmentView::Elsewhere SegmentView::mapped_elsewhere() {
  (void)mmap(base_, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0);
  if (fcntl(memfd_, F_ADD_SEALS, F_SEAL_WRITE) != 0) {
    return map(PROT_READ | PROT_WRITE, MAP_SHARED) ? Elsewhere::kYes : Elsewhere::kGone;
  }
  // Once sealed it can only be mapped privately. Read-only, for where memory may not be
  // overcommitted a private mapping that could be written to counts as a whole.
  writable_ = false;
  return map(PROT_READ, MAP_PRIVATE) ? Elsewhere::kNo : Elsewhere::kGone;
}

void SegmentView::drop_memory(uint32_t chunk) {
  auto offset =
      static_cast<off_t>(pool_offset(lane_count_, chunk_count_) + uint64_t{chunk} * kChunkBytes);
  fallocate(memfd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, kChunkBytes);
}

void SegmentView::own(RobustList* list) {
  header()->drain.word.store(static_cast<uint32_t>(gettid()));
  list->add(link());
}

void SegmentView::disown(RobustList* list) {
  list->remove(link());
}

}  // namespace telinject::drain
