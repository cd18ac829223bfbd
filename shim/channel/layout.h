// The memory that a traced program shares with the drain: one segment (a memfd) for a program image
// and all its forked children.
//
//   [ SegmentHeader, program's path and command line ] [ lane 0 ] [ lane 1 ] ... [ one page ]
//
// A lane is a ring with one producer (the thread that claimed it) and one consumer (the drain):
//
//   [ ring: ring_bytes ][ spill: 2 KiB ][ LaneHeader: 2 KiB ]
//
// The producer reserves space by adding to a cursor of its own, writes a record (record.h), and
// stores the record's first word last; a first word of zero means "not written yet". The consumer
// copies records out, zeroes what it has copied, and only then gives the space back by moving
// `released`. So nothing but the first word has to be ordered, and the hook needs no lap bit.
//
// A record starts below ring_bytes and may run on into the spill, as may the records of signal
// handlers that interrupted a hook between its space check and its reservation. When the cursor is
// past the ring's end, or when the consumer is keeping up and enough of the ring has been used to
// be worth keeping warm, the producer leaves a Wrap record and goes on at the ring's start.
//
// Lanes are mapped in groups that double (2, 2, 4, 8, ...), so a program with few threads maps
// little: growing is one mremap(2) of the last mapped page, which needs no descriptor and works
// after setuid, chroot or a full descriptor table.
//
// Every field is checked by the drain before use: the program can write all of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace telinject {

inline constexpr uint64_t kSegmentMagic = 0x33764a4e494c4554;  // "TELINJv3", little endian
inline constexpr uint32_t kLayoutVersion = 1;

inline constexpr uint32_t kPageBytes = 4096;
inline constexpr uint32_t kSpillBytes = 2048;
inline constexpr uint32_t kLaneTailBytes = kPageBytes;  // spill and LaneHeader
inline constexpr uint32_t kMaxRingBytes = 1u << 20;
inline constexpr uint32_t kMinRingBytes = 1u << 16;
inline constexpr uint32_t kMaxLanes = 1024;
inline constexpr uint32_t kFirstGroupLanes = 2;
inline constexpr uint32_t kMaxGroups = 10;  // 2, 2, 4, ... 512: 1024 lanes

// Why a call was not recorded. The names (loss_reason_name) appear in the stream and the summary.
enum class LossReason : uint32_t {
  kQueueFull,    // the lane was full (TELEMETRY_ON_FULL=drop) or the drain had gone
  kNoLane,       // more threads at once than lanes, or no address space for another group
  kForeignTask,  // a CLONE_VM task that shares another thread's TLS
  kEarly,        // before the dynamic loader had set up thread-local storage (ifunc resolvers)
  kOrphanExit,   // an exit whose entry was not seen, counted by the drain
  kSinkError,    // an event that could not be written
  kInterrupted,  // telrun was told to stop before all was written
  kException,    // an exception whose record found no room: what it left shows as unwound
  kCount,
};
inline constexpr size_t kLossReasons = static_cast<size_t>(LossReason::kCount);
const char* loss_reason_name(LossReason reason);

// A mutex as glibc lays it out: robust, process-shared, locked by the lane's thread. The kernel
// sets kOwnerDied in `word` when that thread ends by any means, exec included.
struct RobustOwner {
  std::atomic<uint32_t> word;
  uint32_t rest[9];
};
static_assert(sizeof(RobustOwner) == 40, "pthread_mutex_t of x86-64 glibc");
inline constexpr uint32_t kOwnerDied = 0x40000000;
inline constexpr uint32_t kOwnerTidMask = 0x3fffffff;

struct LaneHeader {
  // Written by the program.
  std::atomic<uint32_t> waiting;  // 1 while the producer waits for space on `released_futex`
  RobustOwner owner;
  std::atomic<uint64_t> roots;         // how many roots began here; never reset
  std::atomic<uint64_t> lost_calls;    // calls not recorded because the lane was full
  std::atomic<uint64_t> merged_exits;  // exits folded into one kClosed record: durations are bounds
  // Written by the drain.
  alignas(64) std::atomic<uint64_t> released;  // lane position up to which the ring may be reused
  std::atomic<uint32_t> released_futex;        // bumped with `released` when someone waits
  std::atomic<uint64_t> start;                 // lane position where the next owner begins
};
static_assert(sizeof(LaneHeader) <= kPageBytes - kSpillBytes);

// A lane position names a record for ever: how often the ring was wrapped, and the byte in it.
inline constexpr uint32_t kOffsetBits = 21;  // ring and spill, up to 2 MiB
inline constexpr uint64_t kOffsetMask = (uint64_t{1} << kOffsetBits) - 1;
constexpr uint64_t lane_position(uint64_t lap, uint64_t offset) {
  return lap << kOffsetBits | offset;
}
constexpr uint64_t position_lap(uint64_t position) {
  return position >> kOffsetBits;
}
constexpr uint64_t position_offset(uint64_t position) {
  return position & kOffsetMask;
}

enum class ClockKind : uint32_t { kTsc = 1, kMonotonic = 2 };

// A trace to continue: W3C trace context, as bytes in network order packed into integers.
struct TraceContext {
  uint64_t trace_hi, trace_lo;
  uint64_t span_id;
  uint32_t valid;  // 0: none, start a trace of one's own
  uint32_t sampled;
};

// The place of a record in a segment, by which the drain finds the span that was open there.
struct RecordRef {
  uint64_t segment;  // low half of the segment's key; 0: none
  uint64_t position;
  uint32_t lane;
  uint32_t reserved;
};

inline constexpr size_t kPathBytes = 4096;
inline constexpr size_t kCommandLineBytes = 4096;

struct SegmentHeader {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t header_bytes;  // == sizeof(SegmentHeader), a multiple of the page size
  uint64_t segment_bytes;
  uint32_t lane_count;  // lanes that fit in the memfd; mapped by the program as needed
  uint32_t ring_bytes;  // a power of two, kMinRingBytes..kMaxRingBytes
  uint64_t key[2];      // random; from it come span and trace ids (ids.h)
  int32_t pid;          // as the program sees it
  ClockKind clock;
  uint64_t start_ticks;  // one moment on three clocks, taken when the segment was made
  int64_t start_monotonic_ns;
  int64_t start_realtime_ns;
  TraceContext inherited;  // from TRACEPARENT
  RecordRef parent;        // from TELINJECT_PARENT: the exec wrapper's record in the parent
  uint32_t path_bytes, command_line_bytes;

  // One bit a lane: set by the thread that claims it, cleared by the drain when it has written what
  // that thread left. (Not in LaneHeader: looking at an unused lane would allocate its page.)
  alignas(64) std::atomic<uint64_t> claimed[kMaxLanes / 64];

  // Written by the program, all its threads and forked children.
  alignas(64) std::atomic<uint64_t> lost[kLossReasons];
  std::atomic<uint32_t> no_doorbell;      // a seccomp filter is on: the program may not make calls
  std::atomic<uint32_t> flush_requested;  // bumped by a program that waits at its end

  // The drain sleeps on `doorbell` after setting `drain_asleep`; a producer that has filled a good
  // part of its ring bumps and wakes it.
  alignas(64) std::atomic<uint32_t> drain_asleep;
  std::atomic<uint32_t> doorbell;

  // Written by the drain.
  alignas(64) std::atomic<uint32_t> heartbeat;  // advances while the drain is alive and working
  std::atomic<uint32_t> flush_done;             // futex: the last flush_requested that is written
  RobustOwner drain;                            // locked by the drain: its death shows at once

  alignas(kPageBytes) char path[kPathBytes];  // /proc/self/exe, not terminated
  char command_line[kCommandLineBytes];       // argv, each with its NUL, cut to fit
};
static_assert(sizeof(SegmentHeader) % kPageBytes == 0);

constexpr uint64_t lane_stride(uint64_t ring_bytes) {
  return ring_bytes + kLaneTailBytes;
}
constexpr uint64_t lane_offset(uint64_t ring_bytes, uint32_t lane) {
  return sizeof(SegmentHeader) + lane * lane_stride(ring_bytes);
}
// One page more than the lanes need: each mapped group ends in the next one's first page, from
// which mremap(2) makes that group's mapping.
constexpr uint64_t segment_bytes(uint64_t ring_bytes, uint32_t lanes) {
  return lane_offset(ring_bytes, lanes) + kPageBytes;
}
constexpr uint32_t group_first_lane(uint32_t group) {
  return group == 0 ? 0 : kFirstGroupLanes << (group - 1);
}
constexpr uint32_t group_lanes(uint32_t group) {
  return group == 0 ? kFirstGroupLanes : kFirstGroupLanes << (group - 1);
}
static_assert(group_first_lane(kMaxGroups - 1) + group_lanes(kMaxGroups - 1) == kMaxLanes);

}  // namespace telinject
