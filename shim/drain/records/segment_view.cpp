#include "shim/drain/records/segment_view.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include "absl/strings/str_cat.h"
#include "shim/channel/clock.h"

namespace telinject::drain {

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

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

// The inodes of memory files that have a view. They are all on the kernel's own tmpfs.
std::mutex g_views_mutex;
std::set<uint64_t> g_views;

}  // namespace

bool SegmentView::is_memory_file(int fd, std::string* problem) {
  struct stat status = {};
  struct statfs system = {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || fstatfs(fd, &system) != 0 ||
      system.f_type != TMPFS_MAGIC) {
    *problem =
        "a program joined with a file descriptor that is no memory file (memfd): it is not traced";
    return false;
  }
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    *problem =
        "a program joined with a memory file that is not sealed against shrinking: it is not "
        "traced";
    return false;
  }
  // With F_SEAL_SEAL we could never know that nobody uses it any more.
  if ((seals & ~(F_SEAL_SHRINK | F_SEAL_EXEC)) != 0) {
    *problem = "a program joined with a memory file that has unexpected seals: it is not traced";
    return false;
  }
  return true;
}

std::unique_ptr<SegmentView> SegmentView::open(int memfd, std::string* problem) {
  struct stat status = {};
  fstat(memfd, &status);
  std::unique_ptr<SegmentView> view(new SegmentView(memfd, static_cast<size_t>(status.st_size)));
  constexpr uint64_t kMost = segment_bytes(kMaxLanes, kMaxChunks);
  if (view->bytes_ < sizeof(SegmentHeader) || view->bytes_ > kMost) {
    *problem = absl::StrCat("a program joined with a memory file of an impossible size (",
                            view->bytes_, " bytes): it is not traced");
    refuse(memfd);
    return nullptr;
  }
  if (!view->is_only_view()) {
    *problem = "a program joined with a memory file that is already in use: it is refused";
    return nullptr;
  }
  if (!view->reserve() || !view->map(PROT_READ | PROT_WRITE, MAP_SHARED)) {
    *problem = absl::StrCat(
        "cannot map a program's memory file of ", view->bytes_, " bytes (", strerror(errno),
        "): it is not traced; raise the limit on memory (ulimit -v, ulimit -d)");
    refuse(memfd);
    return nullptr;
  }
  if (view->read_header(problem)) return view;
  refuse(memfd);
  return nullptr;
}

// Two views would each take the other for a program that still uses the segment.
bool SegmentView::is_only_view() {
  struct stat status = {};
  if (fstat(memfd_, &status) != 0) return false;
  std::lock_guard lock(g_views_mutex);
  if (!g_views.insert(status.st_ino).second) return false;
  inode_ = status.st_ino;
  return true;
}

void SegmentView::refuse(int memfd) {
  uint32_t word = kOwnerDied;
  constexpr off_t kPlace = offsetof(SegmentHeader, drain) + offsetof(RobustOwner, word);
  [[maybe_unused]] ssize_t n = pwrite(memfd, &word, sizeof word, kPlace);
}

SegmentView::~SegmentView() {
  if (inode_ != 0) {
    std::lock_guard lock(g_views_mutex);
    g_views.erase(inode_);
  }
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
    *problem = absl::StrCat("a program has libtelinject.so of another release (layout ",
                            header->layout_version, ", the drain has ", kLayoutVersion,
                            "): it is not traced; install both from one release");
    return false;
  }
  if (lane_count_ == 0 || lane_count_ > kMaxLanes || chunk_count_ == 0 ||
      chunk_count_ > kMaxChunks || segment_bytes(lane_count_, chunk_count_) != bytes_ ||
      (header->clock != ClockKind::kTsc && header->clock != ClockKind::kMonotonic)) {
    *problem =
        "a program joined with a damaged memory file (its sizes do not agree): it is not traced";
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
  info_.command_line.assign(header->command_line,
                            std::min<size_t>(header->command_line_bytes, kCommandLineBytes));
  return true;
}

SegmentView::Elsewhere SegmentView::mapped_elsewhere() {
  if (mmap(base_, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
           0) == MAP_FAILED) {
    // No memory for that: to be asked again later. What was mapped may be gone.
    return map(PROT_READ | PROT_WRITE, MAP_SHARED) ? Elsewhere::kYes : Elsewhere::kGone;
  }
  if (fcntl(memfd_, F_ADD_SEALS, F_SEAL_WRITE) != 0) {
    if (errno != EBUSY) return Elsewhere::kGone;  // somebody has sealed its seals
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
