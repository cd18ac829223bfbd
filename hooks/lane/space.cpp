#include "hooks/lane/space.h"

#include <linux/futex.h>
#include <time.h>

#include "arch/x86_64/single_thread.h"
#include "arch/x86_64/tsc.h"
#include "hooks/lane/chunks.h"
#include "hooks/lane/record_writer.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

bool fits(const Lane* lane, uintptr_t bytes, bool for_entry) {
  return t_hook.cursor + bytes <= (for_entry ? lane->entry_limit : lane->exit_limit);
}

bool in_chunk(uintptr_t base, uintptr_t address) {
  return base != 0 && address - base < kChunkBytes;
}

// The bell is for a drain that naps: it is rung when enough waits to be worth its waking.
void ring_if_much_waits(const Lane* lane) {
  SegmentHeader* segment = g_process.segment;
  if (segment->drain_asleep.load(std::memory_order_relaxed) == 0) return;
  uint64_t waiting = lane->number - lane->header->taken.load(std::memory_order_relaxed);
  if (waiting >= segment->bell_chunks.load(std::memory_order_relaxed)) ring_doorbell();
}

// Moves the cursor to another chunk in one instruction, so that a handler's records land either
// before it or after it; then tells the drain where the old one ends. Until that is published, the
// drain does not look behind the old one.
//
// Both of the thread's limits are 0 meanwhile: those of the old chunk say nothing of the new one,
// and a handler that went by them could write past its end.
bool change_chunk(Lane* lane, bool for_entry) {
  finish_change(lane);
  auto* hook = static_cast<volatile HookState*>(&t_hook);
  hook->entry_limit = 0;
  hook->exit_limit = 0;
  uint32_t chunk = take_chunk(lane, for_entry);
  if (chunk == kNoChunk) return false;
  lane->header->taking.store(chunk + 1, std::memory_order_relaxed);
  ChunkEntry& entry = g_process.chunk_table[chunk];
  entry.lane.store(lane->index, std::memory_order_relaxed);
  entry.number.store(lane->number + 1, std::memory_order_relaxed);
  ChunkChange& change = lane->change;
  change = {0, lane->base, chunk_address(chunk), lane->chunk, chunk, lane->number + 1};
  uintptr_t old = t_hook.cursor;
  bool moved;
  do {
    change.from = old;
    moved = arch::single_thread_compare_exchange(t_hook.cursor, &old, change.next_base);
  } while (!moved);
  finish_change(lane);
  lane->only_exits = !for_entry && !entries_allowed(lane);
  if (!lane->only_exits) lane->gave_up_waiting = false;
  refresh_limits(lane);
  ring_if_much_waits(lane);
  return true;
}

// Entries that were refused are allowed again once the drain has given chunks back.
bool allows_entries_again(Lane* lane) {
  if (!lane->only_exits || !entries_allowed(lane)) return false;
  lane->only_exits = false;
  lane->gave_up_waiting = false;
  refresh_limits(lane);
  return true;
}

bool find_room(Lane* lane, uintptr_t bytes, bool for_entry) {
  if (fits(lane, bytes, for_entry)) return true;
  if (for_entry && allows_entries_again(lane) && fits(lane, bytes, true)) return true;
  // What may be written here by exits alone stays theirs.
  if (for_entry && lane->only_exits) return false;
  return change_chunk(lane, for_entry) && fits(lane, bytes, for_entry);
}

// Sleeps a little, or spins where no system call may be made.
void pause_for(const std::atomic<uint32_t>* futex, uint32_t seen, long nanoseconds) {
  if (g_process.restricted.load(std::memory_order_relaxed) != 0) {
    for (int i = 0; i < 1000; i++) arch::spin_pause();
    return;
  }
  timespec timeout = {0, nanoseconds};
  sys::call(SYS_futex, sys::arg(futex), FUTEX_WAIT, seen, sys::arg(&timeout));
}

// In dropping mode a thread waits only if the drain says that room comes: it is moving records from
// memory to the disk, and may lack a processor at the moment. If a wait was in vain, the thread
// does not wait again before there was room: a stuck drain must not hold up every call.
bool may_wait(const Lane* lane) {
  if (g_process.on_full == kBlock) return true;
  return !lane->gave_up_waiting &&
         g_process.segment->room_comes.load(std::memory_order_relaxed) != 0 && !drain_has_gone();
}

// In blocking mode it waits as long as the drain lives. The drain's death is seen at once, for the
// kernel marks its robust futex; a drain that is stuck, after five seconds without a heartbeat. In
// dropping mode it waits for a tenth of a second at most.
template <typename Found>
bool wait_for_drain(Lane* lane, Found&& found) {
  constexpr long kPauseNs = 2000000;
  constexpr uint64_t kTicksPerSecond = 4000000000;  // at 4 GHz; at less it is longer
  constexpr uint64_t kPatienceTicks = 5 * kTicksPerSecond;
  bool drops = g_process.on_full != kBlock;
  SegmentHeader* segment = g_process.segment;
  uint32_t beat = segment->heartbeat.load(std::memory_order_relaxed);
  uint64_t begun = read_ticks();
  uint64_t since = arch::read_tsc();
  bool there = false;
  while (g_process.drain_gone.load(std::memory_order_relaxed) == 0) {
    segment->room_wanted.store(1, std::memory_order_seq_cst);
    uint32_t seen = segment->room_futex.load(std::memory_order_seq_cst);
    there = found();
    if (there) break;
    if (drops && (arch::read_tsc() - since > kTicksPerSecond / 10 || !may_wait(lane))) {
      lane->gave_up_waiting = true;
      break;
    }
    ring_doorbell();
    // Meanwhile signal handlers may use the lane as if nothing was under way.
    uintptr_t busy = lane->busy_sp;
    lane->busy_sp = 0;
    pause_for(&segment->room_futex, seen, kPauseNs);
    lane->busy_sp = busy;
    uint32_t now = segment->heartbeat.load(std::memory_order_relaxed);
    if (now != beat && !drops) {
      beat = now;
      since = arch::read_tsc();
    }
    if (drain_has_gone() || arch::read_tsc() - since > kPatienceTicks) {
      g_process.drain_gone.store(1, std::memory_order_relaxed);
    }
  }
  lane->pending.waited += read_ticks() - begun;
  return there;
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

// May be interrupted and left for good at any point, and is then done again from the start.
void finish_change(Lane* lane) {
  const ChunkChange change = lane->change;
  if (change.from != 0 && in_chunk(change.next_base, t_hook.cursor)) {
    ChunkEntry& entry = g_process.chunk_table[change.old_chunk];
    entry.end.store(static_cast<uint32_t>(change.from - change.old_base),
                    std::memory_order_relaxed);
    entry.next.store(change.next_chunk, std::memory_order_relaxed);
    lane->previous_base = change.old_base;
    lane->previous_end = change.from;
    lane->base = change.next_base;
    lane->chunk = change.next_chunk;
    lane->number = change.number;
    lane->header->cpu.store(current_cpu(), std::memory_order_relaxed);
    lane->header->open.store(change.number, std::memory_order_release);
  }
  lane->change.from = 0;
  uint32_t taken = lane->header->taking.exchange(0, std::memory_order_relaxed);
  // A handler left before the cursor had moved.
  if (taken != 0 && taken - 1 != lane->chunk) return_chunk(taken - 1);
}

void refresh_limits(Lane* lane) {
  uintptr_t end = lane->base + kChunkBytes - kSpillBytes;
  lane->exit_limit = end;
  lane->entry_limit = lane->only_exits ? 0 : end;
}

bool take_first_chunk(Lane* lane) {
  auto take = [lane] {
    lane->chunk = take_chunk(lane, /*for_entry=*/false);
    return lane->chunk != kNoChunk;
  };
  if (!take() && (!may_wait(lane) || !wait_for_drain(lane, take))) return false;
  ChunkEntry& entry = g_process.chunk_table[lane->chunk];
  entry.lane.store(lane->index, std::memory_order_relaxed);
  entry.number.store(lane->number, std::memory_order_relaxed);
  lane->base = chunk_address(lane->chunk);
  lane->only_exits = !entries_allowed(lane);
  lane->header->open.store(lane->number, std::memory_order_relaxed);
  lane->header->cpu.store(current_cpu(), std::memory_order_relaxed);
  lane->header->first_chunk.store(lane->chunk + 1, std::memory_order_release);
  return true;
}

bool make_room(Lane* lane, uintptr_t bytes, bool for_entry) {
  bool found = find_room(lane, bytes, for_entry);
  if (!found && may_wait(lane)) {
    found = wait_for_drain(lane, [&] { return find_room(lane, bytes, for_entry); });
  }
  lane->granted = found ? bytes : 0;
  return found;
}

bool has_nested_room(const Lane* lane, uintptr_t bytes) {
  uintptr_t at = t_hook.cursor;
  uintptr_t base = in_chunk(lane->change.next_base, at) ? lane->change.next_base : lane->base;
  return at - base + bytes + lane->granted <= kChunkBytes - kGuardBytes;
}

}  // namespace telinject::program
