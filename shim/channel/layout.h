// The memory that a traced program shares with the drain: one segment (a memfd) for a program image
// and all its forked children.
//
//   [ SegmentHeader, program's path and command line ][ LaneHeader x lanes ][ ChunkEntry x chunks ]
//   [ pool: chunks of 64 KiB ][ one page ]
//
// A lane has one producer (the thread that claimed it) and one consumer (the drain). It is a chain
// of chunks that come from the pool and go back to it, so it is as long as the drain is behind.
//
// The producer reserves space by adding to a cursor of its own, writes a record (record.h), and
// stores the record's first word last; a first word of zero means "not written yet". When a chunk
// is full the producer takes another, says in the chunk table where the old one ends and which is
// the next, and then publishes that the old one is complete. The consumer copies the records out,
// zeroes the chunk and puts it back into the pool. So nothing but the first word has to be ordered.
//
// A record starts at least kSpillBytes before the chunk's end. What lies there is for the hooks of
// signal handlers that interrupt the producer where it cannot change the chunk.
//
// The free chunks are a stack of which any thread and process takes and to which the drain gives:
// what was given back last is still in a cache. A chunk that was never used costs page faults; it
// is taken only when the stack is empty.
//
// The pool is mapped in groups that double (512 KiB, 512 KiB, 1 MiB, ...), so a program whose drain
// keeps up maps little: growing is one mremap(2) of the last mapped page, which needs no descriptor
// and works after setuid, chroot or a full descriptor table.
//
// Every field is checked by the drain before use: the program can write all of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace telinject {

inline constexpr uint64_t kSegmentMagic = 0x33764a4e494c4554;  // "TELINJv3", little endian
inline constexpr uint32_t kLayoutVersion = 5;

inline constexpr uint32_t kPageBytes = 4096;
inline constexpr uint32_t kChunkBytes = 64 * 1024;
inline constexpr uint32_t kSpillBytes = 4096;
inline constexpr uint32_t kFirstGroupChunks = 8;
inline constexpr uint32_t kMaxChunkGroups = 12;  // 8, 8, 16, ... 8192 chunks
inline constexpr uint32_t kMaxChunks = kFirstGroupChunks << (kMaxChunkGroups - 1);  // 1 GiB
inline constexpr uint32_t kMaxLanes = 1024;
inline constexpr uint32_t kFirstGroupLanes = 2;
inline constexpr uint32_t kMaxLaneGroups = 10;   // 2, 2, 4, ... 512: 1024 lanes
inline constexpr uint32_t kMinEntryChunks = 32;  // 2 MiB for new calls, whatever the bound is
inline constexpr uint32_t kExitChunks = 64;      // 4 MiB for the ends of calls that are open
// What a lane holds while its thread does nothing: the chunk that is written to, and the one
// before, over which the program walks back to find its current span.
inline constexpr uint32_t kIdleLaneChunks = 2;

// Why a call was not recorded. The names (loss_reason_name) appear in the stream and the summary.
enum class LossReason : uint32_t {
  kQueueFull,     // no room for records (TELEMETRY_ON_FULL=drop), or the drain had gone
  kNoLane,        // more threads at once than lanes, or no address space for another group
  kForeignTask,   // a CLONE_VM task that shares another thread's TLS
  kEarly,         // before the thread's or, in a forked child, the process's hooks were set up
  kOrphanExit,    // an exit whose entry was not seen, counted by the drain
  kSinkError,     // an event that could not be written
  kInterrupted,   // telrun was told to stop before all was written
  kException,     // an exception whose record found no room: what it left shows as unwound
  kRestricted,    // by a thread that may not read the clock (seccomp's strict mode, PR_TSC_SIGSEGV)
  kStacks,        // more stacks (coroutines) at once than are remembered
  kHttpUnparsed,  // HTTP exchanges on a connection that is not read any more
                  // (hooks/http/given_up.h)
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

struct alignas(64) LaneHeader {
  // Written by the program.
  RobustOwner owner;
  std::atomic<uint32_t> first_chunk;  // its index + 1, once the owner has one; the drain clears it
  std::atomic<uint32_t> taking;       // index + 1 of a chunk that is about to be linked, or 0
  std::atomic<uint64_t> open;         // number of the chunk that is written to: those below are
                                      // complete
  alignas(64) std::atomic<uint64_t> roots;  // how many roots began here; never reset
  std::atomic<uint64_t> lost_calls;         // calls not recorded because there was no room
  std::atomic<uint64_t> merged_exits;  // exits folded into one kClosed record: durations are bounds
  std::atomic<uint32_t> cpu;           // where the thread ran when it took its last chunk, + 1; 0:
                                       // not known
  // Written by the drain.
  alignas(64) std::atomic<uint64_t> taken;  // chunks below this number have been read
  std::atomic<uint64_t> start;              // number of the next owner's first chunk
};
static_assert(sizeof(LaneHeader) == 192);

// What the producer says of a chunk that it has taken, and the link of the stack of free ones.
struct ChunkEntry {
  std::atomic<uint64_t> number;  // of the chunk in its lane, counted over all the lane's owners
  std::atomic<uint32_t> lane;
  std::atomic<uint32_t> end;   // bytes of records in it; valid once it is complete
  std::atomic<uint32_t> next;  // the lane's next chunk; valid once this one is complete
  std::atomic<uint32_t> free;  // index + 1 of the next free one
  uint64_t reserved;
};
static_assert(sizeof(ChunkEntry) == 32);

// A lane position names a record for ever: the number of its chunk in the lane, which only grows,
// and the byte in it.
inline constexpr uint32_t kOffsetBits = 20;
inline constexpr uint64_t kOffsetMask = (uint64_t{1} << kOffsetBits) - 1;
static_assert(kChunkBytes <= kOffsetMask);
constexpr uint64_t lane_position(uint64_t number, uint64_t offset) {
  return number << kOffsetBits | offset;
}
constexpr uint64_t position_number(uint64_t position) {
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
  uint32_t lane_count;   // 1..kMaxLanes
  uint32_t chunk_count;  // in the pool, 1..kMaxChunks; mapped by the program as needed
  uint64_t key[2];       // random; from it come span and trace ids (ids.h)
  int32_t pid;           // as the program sees it
  ClockKind clock;
  uint64_t start_ticks;  // one moment on three clocks, taken when the segment was made
  int64_t start_monotonic_ns;
  int64_t start_realtime_ns;
  TraceContext inherited;  // from TRACEPARENT
  RecordRef parent;        // from TELINJECT_PARENT: the exec wrapper's record in the parent
  uint32_t path_bytes, command_line_bytes;

  // One bit a lane: set by the thread that claims it, cleared by the drain when it has written what
  // that thread left. (Not in LaneHeader: looking at unused lanes would allocate their pages.)
  alignas(64) std::atomic<uint64_t> claimed[kMaxLanes / 64];

  // Written by the program, all its threads and forked children.
  alignas(64) std::atomic<uint64_t> lost[kLossReasons];
  std::atomic<uint32_t> no_doorbell;      // a seccomp filter is on: the program may not make calls
  std::atomic<uint32_t> flush_requested;  // bumped by a program that waits at its end

  // The pool: written by the program and the drain. The stack of free chunks begins at the chunk
  // whose index + 1 is in the lower half; the upper half counts changes, so that a thread that was
  // interrupted does not put an old state back.
  alignas(64) std::atomic<uint64_t> free_chunks;
  std::atomic<uint32_t> fresh_chunks;  // those from here on were never used
  std::atomic<uint32_t> chunks_in_use;
  // A producer that waits for room sets `room_wanted`; the drain clears it and bumps the futex.
  std::atomic<uint32_t> room_wanted;
  std::atomic<uint32_t> room_futex;

  // The drain sleeps on `doorbell` after setting `drain_asleep`; a producer whose lane has so many
  // chunks that have not been read bumps and wakes it.
  alignas(64) std::atomic<uint32_t> drain_asleep;
  std::atomic<uint32_t> doorbell;
  std::atomic<uint32_t> bell_chunks;  // written by the drain
  // Written by the drain (at first by the program): while so many chunks are in use, no lane takes
  // one for new calls, only for the ends of those that are open.
  std::atomic<uint32_t> entry_chunks;
  // Written by the drain (at first by the program). 1: what waits goes on to the disk, so a lane
  // without room has some in a moment; 0: the disk is full, too.
  std::atomic<uint32_t> room_comes;

  // Written by the drain.
  alignas(64) std::atomic<uint32_t> heartbeat;  // advances while the drain is alive and working
  std::atomic<uint32_t> flush_done;             // futex: the last flush_requested that is written
  RobustOwner drain;                            // locked by the drain: its death shows at once

  alignas(kPageBytes) char path[kPathBytes];  // /proc/self/exe, not terminated
  char command_line[kCommandLineBytes];       // argv, each with its NUL, cut to fit
};
static_assert(sizeof(SegmentHeader) % kPageBytes == 0);

constexpr uint64_t round_to_page(uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}
constexpr uint64_t lane_headers_offset() {
  return sizeof(SegmentHeader);
}
constexpr uint64_t chunk_table_offset(uint32_t lanes) {
  return round_to_page(lane_headers_offset() + lanes * sizeof(LaneHeader));
}
constexpr uint64_t pool_offset(uint32_t lanes, uint32_t chunks) {
  return round_to_page(chunk_table_offset(lanes) + chunks * sizeof(ChunkEntry));
}
// One page more than the chunks need: each mapped group ends in the next one's first page, from
// which mremap(2) makes that group's mapping.
constexpr uint64_t segment_bytes(uint32_t lanes, uint32_t chunks) {
  return pool_offset(lanes, chunks) + uint64_t{chunks} * kChunkBytes + kPageBytes;
}

constexpr uint32_t chunk_group(uint32_t chunk) {
  return chunk < kFirstGroupChunks
             ? 0
             : 32 - static_cast<uint32_t>(__builtin_clz(chunk / kFirstGroupChunks));
}
constexpr uint32_t group_first_chunk(uint32_t group) {
  return group == 0 ? 0 : kFirstGroupChunks << (group - 1);
}
constexpr uint32_t group_chunks(uint32_t group) {
  return group == 0 ? kFirstGroupChunks : kFirstGroupChunks << (group - 1);
}
static_assert(group_first_chunk(kMaxChunkGroups - 1) + group_chunks(kMaxChunkGroups - 1) ==
              kMaxChunks);

constexpr uint32_t group_first_lane(uint32_t group) {
  return group == 0 ? 0 : kFirstGroupLanes << (group - 1);
}
constexpr uint32_t group_lanes(uint32_t group) {
  return group == 0 ? kFirstGroupLanes : kFirstGroupLanes << (group - 1);
}
static_assert(group_first_lane(kMaxLaneGroups - 1) + group_lanes(kMaxLaneGroups - 1) == kMaxLanes);

}  // namespace telinject
