// The drain's view of a program's segment: mapped, checked, and never trusted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "shim/channel/ids.h"
#include "shim/channel/layout.h"
#include "shim/channel/record.h"
#include "shim/drain/records/robust_list.h"
#include "shim/symbols/file_access.h"

namespace telinject::drain {

// What the header said when the segment was opened; the shared memory may change afterwards.
struct SegmentInfo {
  SegmentKey key;
  int pid;  // as the program sees itself
  ClockKind clock;
  uint64_t start_ticks;  // as our_ticks() has them
  int64_t start_monotonic_ns, start_realtime_ns;
  TraceContext inherited;
  RecordRef parent;
  // The PID namespace of the process, if that is not our own; 0: it is, or cannot be told.
  uint64_t pid_namespace = 0;
  // How far the program's CLOCK_MONOTONIC is ahead of ours, in another time namespace.
  uint64_t ticks_ahead = 0;
  std::string path;
  // With whose rights files are opened that it names; null where there is no process (a recording).
  std::shared_ptr<FileAccess> access;
  // The arguments, each ended by a NUL. In notices joined by spaces, and both without secrets.
  std::string command_line;

  // What the program's clock said, as ours would have.
  uint64_t our_ticks(uint64_t theirs) const { return (theirs - ticks_ahead) & kTicksMask; }

  template <typename Archive>
  void io(Archive& a) {
    a(key, pid, clock, start_ticks, start_monotonic_ns, start_realtime_ns, inherited, parent,
      pid_namespace, ticks_ahead, path, command_line);
  }
};

class SegmentView {
 public:
  // Whether a descriptor that another process has sent is a memory file as the library makes them:
  // sealed against shrinking, and not against anything that we rely on. If not, says what is wrong,
  // in words for the user. Its last close may wait if it is none.
  static bool is_memory_file(int fd, std::string* problem);
  // Takes over a memfd that is_memory_file(). Null, with a reason for one line to the user, if it
  // is no segment of ours: wrong magic or version, sizes that do not agree, or one that is open
  // already.
  static std::unique_ptr<SegmentView> open(int memfd, std::string* problem);
  // Tells the program whose memory file this is that nobody will read what it writes, so that it
  // does not wait for that. By a write to the file, for it may not be possible to map it.
  static void refuse(int memfd);
  ~SegmentView();
  SegmentView(const SegmentView&) = delete;
  SegmentView& operator=(const SegmentView&) = delete;

  const SegmentInfo& info() const { return info_; }
  void set_pid_namespace(uint64_t inode) { info_.pid_namespace = inode; }
  void set_access(std::shared_ptr<FileAccess> access) { info_.access = std::move(access); }
  SegmentHeader* header() const { return reinterpret_cast<SegmentHeader*>(base_); }
  uint32_t lane_count() const { return lane_count_; }
  uint32_t chunk_count() const { return chunk_count_; }
  LaneHeader* lane(uint32_t lane) const {
    return reinterpret_cast<LaneHeader*>(base_ + lane_headers_offset()) + lane;
  }
  ChunkEntry* entry(uint32_t chunk) const {
    return reinterpret_cast<ChunkEntry*>(base_ + chunk_table_offset(lane_count_)) + chunk;
  }
  std::byte* chunk(uint32_t chunk) const {
    return base_ + pool_offset(lane_count_, chunk_count_) + uint64_t{chunk} * kChunkBytes;
  }

  // Whether a process other than this one still has the segment mapped. Sealing a memfd against
  // writes fails as long as a writable mapping exists, so the view's own is taken away for the
  // question: the caller must not touch it meanwhile.
  //   kYes    it is as it was
  //   kNo     no process can write to it any more; it can be read
  //   kGone   it cannot be mapped again, or no answer can be had, as by a seal that the program has
  //           put on it since: it must not be touched any more
  enum class Elsewhere { kYes, kNo, kGone };
  Elsewhere mapped_elsewhere();
  // False after kNo.
  bool writable() const { return writable_; }

  // Gives the system the memory of a chunk back that holds nothing.
  void drop_memory(uint32_t chunk);

  // Puts the header's word for the drain on the calling thread's robust list: its death, and so the
  // drain's, shows to waiting producers at once. To be undone by the same thread.
  void own(RobustList* list);
  void disown(RobustList* list);
  static constexpr long kWordDistance =
      kPageBytes + static_cast<long>(offsetof(SegmentHeader, drain));

 private:
  SegmentView(int memfd, size_t bytes) : memfd_(memfd), bytes_(bytes) {}
  bool is_only_view();
  bool reserve();
  bool map(int protection, int flags);
  bool read_header(std::string* problem);
  RobustLink* link() const { return reinterpret_cast<RobustLink*>(base_ - kPageBytes); }

  int memfd_;
  size_t bytes_;
  uint64_t inode_ = 0;         // 0: not the only view
  std::byte* base_ = nullptr;  // a private page for the robust link lies before it
  uint32_t lane_count_ = 0;
  uint32_t chunk_count_ = 0;
  bool writable_ = true;
  SegmentInfo info_ = {};
};

}  // namespace telinject::drain
