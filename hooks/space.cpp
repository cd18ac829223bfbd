#include "hooks/space.h"

#include <linux/futex.h>
#include <time.h>

#include "hooks/record_writer.h"
#include "shim/channel/syscall.h"

namespace telinject {

namespace {

// Limits are renewed after this much: often enough to wake a sleeping drain in good time.
constexpr uint64_t kWatchBytes = 64 * 1024;
// While the drain keeps up, the ring is wrapped early, so that a lane touches no more memory and
// no more cache than it needs.
constexpr uint64_t kEarlyWrapOffset = 256 * 1024;
constexpr uint64_t kEarlyWrapUsed = 96 * 1024;

uint64_t offset_of(const Lane* lane) {
  return t_hook.cursor - lane->ring;
}

struct Room {
  uint64_t hard;   // offset below which a record may start
  uint64_t total;  // bytes free, including those after a wrap
  uint64_t used;
  bool may_wrap;  // the drain is in this lap: the ring's start is free up to `behind`
  uint64_t behind;
};

uint64_t less(uint64_t a, uint64_t b) {
  return a > b ? a - b : 0;
}

Room measure(const Lane* lane) {
  uint64_t released = lane->header->released.load(std::memory_order_acquire);
  uint64_t offset = offset_of(lane);
  uint64_t ring = g_process.ring_bytes;
  uint64_t behind = position_offset(released);
  Room room = {};
  if (position_lap(released) == lane->lap) {
    room.hard = ring - kNestedBytes;
    room.behind = less(behind, kNestedBytes + kGuardBytes);
    room.may_wrap = room.behind > 0;
    room.total = less(room.hard, offset) + room.behind;
    room.used = less(offset, behind);
  } else {
    room.hard = less(behind, kNestedBytes + kGuardBytes);
    room.total = less(room.hard, offset);
    room.used = ring - room.total;
  }
  return room;
}

// Moves the cursor to the ring's start in one instruction, so that a handler's records land either
// before it or after it; then tells the drain where to go on. Until that is published, the drain
// waits at the old place.
void wrap(Lane* lane, const Room& room) {
  lane->nested_low = lane->ring + room.behind;
  lane->wrap_lap = lane->lap + 1;
  uintptr_t old = t_hook.cursor;
  bool moved;
  do {  // NOLINT(bugprone-infinite-loop): the instruction sets `moved`
    lane->wrap_from = old;
    __asm__ volatile("cmpxchgq %3, %1"
                     : "+a"(old), "+m"(t_hook.cursor), "=@ccz"(moved)
                     : "r"(lane->ring)
                     : "cc", "memory");
  } while (!moved);
  finish_wrap(lane);
}

void set_limits(Lane* lane, const Room& room) {
  uint64_t offset = offset_of(lane);
  uint64_t reserve = exit_reserve(g_process.ring_bytes);
  uint64_t exit_end = room.hard;
  uint64_t entry_end = room.total > reserve ? offset + (room.total - reserve) : 0;
  if (entry_end > room.hard) entry_end = room.hard;
  uint64_t watch = offset + kWatchBytes;
  lane->exit_limit = lane->ring + (exit_end < watch ? exit_end : watch);
  lane->entry_limit = lane->ring + (entry_end < watch ? entry_end : watch);
  lane->nested_high = lane->ring + room.hard + kNestedBytes;
  lane->nested_low = 0;
}

// Sleeps a little, or spins where no system call may be made.
void pause_for(const std::atomic<uint32_t>* futex, uint32_t seen, long nanoseconds) {
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) {
    for (int i = 0; i < 1000; i++) __builtin_ia32_pause();
    return;
  }
  timespec timeout = {0, nanoseconds};
  sys::call(SYS_futex, sys::arg(futex), FUTEX_WAIT, seen, sys::arg(&timeout));
}

// Blocking mode. The drain's death is seen at once (the kernel marks its robust futex); a drain
// that is merely stuck, after five seconds without a heartbeat.
bool wait_for_drain(Lane* lane, uintptr_t bytes, bool for_entry) {
  constexpr long kPauseNs = 2000000;
  constexpr uint64_t kPatienceTicks = 5ull * 4000000000;  // 5 s at 4 GHz; more at less
  SegmentHeader* segment = g_process.segment;
  uint32_t beat = segment->heartbeat.load(std::memory_order_relaxed);
  uint64_t since = __builtin_ia32_rdtsc();
  while (g_process.drain_gone.load(std::memory_order_relaxed) == 0) {
    lane->header->waiting.store(1, std::memory_order_seq_cst);
    uint32_t seen = lane->header->released_futex.load(std::memory_order_seq_cst);
    refresh_limits(lane);
    if (t_hook.cursor + bytes <= (for_entry ? lane->entry_limit : lane->exit_limit)) return true;
    // Meanwhile signal handlers may use the lane as if nothing was under way.
    uintptr_t busy = lane->busy_sp;
    lane->busy_sp = 0;
    pause_for(&lane->header->released_futex, seen, kPauseNs);
    lane->busy_sp = busy;
    uint32_t now = segment->heartbeat.load(std::memory_order_relaxed);
    if (now != beat) {
      beat = now;
      since = __builtin_ia32_rdtsc();
    }
    if (drain_has_gone() || __builtin_ia32_rdtsc() - since > kPatienceTicks) {
      g_process.drain_gone.store(1, std::memory_order_relaxed);
    }
  }
  return false;
}

}  // namespace

void ring_doorbell() {
  SegmentHeader* segment = g_process.segment;
  if (segment->drain_asleep.load(std::memory_order_relaxed) == 0 ||
      g_process.restricted.load(std::memory_order_relaxed) != 0) {
    return;
  }
  segment->drain_asleep.store(0, std::memory_order_relaxed);
  segment->doorbell.fetch_add(1, std::memory_order_release);
  sys::call(SYS_futex, sys::arg(&segment->doorbell), FUTEX_WAKE, 1);
}

bool drain_has_gone() {
  return g_process.drain_gone.load(std::memory_order_relaxed) != 0 ||
         (g_process.segment->drain.word.load(std::memory_order_relaxed) & kOwnerDied) != 0;
}

void finish_wrap(Lane* lane) {
  uintptr_t from = lane->wrap_from;
  if (from == 0) return;
  if (t_hook.cursor < from) {
    lane->previous_end = from - lane->ring;
    lane->lap = lane->wrap_lap;
    put_control(reinterpret_cast<uint64_t*>(from), read_ticks(), ControlKind::kWrap, 0, 0, 0);
  }
  lane->wrap_from = 0;
}

void refresh_limits(Lane* lane) {
  Room room = measure(lane);
  uint64_t offset = offset_of(lane);
  bool at_end = offset + kControlBytes > g_process.ring_bytes - kNestedBytes;
  bool early = offset >= kEarlyWrapOffset && room.used < kEarlyWrapUsed &&
               room.behind >= kEarlyWrapOffset / 2;
  if (room.may_wrap && (at_end || early)) {
    wrap(lane, room);
    room = measure(lane);
  }
  set_limits(lane, room);
  ring_doorbell();
}

bool make_room(Lane* lane, uintptr_t bytes, bool for_entry) {
  auto fits = [&] {
    return t_hook.cursor + bytes <= (for_entry ? lane->entry_limit : lane->exit_limit);
  };
  if (fits()) return true;
  refresh_limits(lane);
  if (fits()) return true;
  // A long message may not fit before the ring's end, but after it.
  Room room = measure(lane);
  if (room.may_wrap && bytes + exit_reserve(g_process.ring_bytes) < room.behind) {
    wrap(lane, room);
    refresh_limits(lane);
    if (fits()) return true;
  }
  if (g_process.on_full != kBlock) return false;
  return wait_for_drain(lane, bytes, for_entry);
}

}  // namespace telinject
