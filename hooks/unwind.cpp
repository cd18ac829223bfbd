#include "hooks/unwind.h"

#include "hooks/pending.h"
#include "hooks/record_writer.h"
#include "hooks/slow_path.h"
#include "hooks/space.h"
#include "hooks/stacks.h"

namespace telinject {

namespace {

bool on_stack(const Stack& stack, uintptr_t sp) {
  return sp - stack.lo < stack.hi - stack.lo;
}

// Fills the holes left by hooks that will never finish: a signal handler interrupted them between
// reservation and store, and control now goes to a frame above the handler's. The first record
// behind the hole is the handler's own, if it is instrumented; if there is none, the handler came
// straight here. What is below `clean` needs no second look.
//
// A hook that is merely interrupted, by a handler that jumps within itself, keeps its hole.
void void_abandoned(Lane* lane, uintptr_t target_sp) {
  uint64_t released = lane->header->released.load(std::memory_order_acquire);
  uint64_t from = lane->clean > released ? lane->clean : released;
  uint64_t offset = position_lap(from) == lane->lap ? position_offset(from) : 0;
  uint64_t end = t_hook.cursor - lane->ring;
  uint64_t* holes[8];
  size_t hole_count = 0;
  uint64_t first_hole = end;
  auto at = [&](uint64_t o) { return reinterpret_cast<uint64_t*>(lane->ring + o); };
  while (offset < end) {
    uint64_t* unit = at(offset);
    if (*unit == 0) {
      if (first_hole == end) first_hole = offset;
      if (hole_count < 8) holes[hole_count++] = unit;
      offset += kUnitBytes;
      continue;
    }
    bool entry = *unit >> 62 == 0 && !is_control(unit[1]);
    if (entry && hole_count > 0) {
      // The handler's frame. If it is not left, those who wait for its return still live.
      uint32_t handler_sp = static_cast<uint32_t>(unit[3]);
      if (static_cast<int32_t>(static_cast<uint32_t>(target_sp) - handler_sp) > 0) {
        for (size_t i = 0; i < hole_count; i++) publish(holes[i], kVoid);
        first_hole = end;
      }
      hole_count = 0;
    }
    offset += record_bytes(*unit);
  }
  // Nothing recorded since: the handler is not instrumented. Its interrupted hook is gone if
  // control goes to the function that called it or further up, not if it stays within the handler.
  // The kernel leaves more than the red zone between them.
  constexpr uintptr_t kSignalFrame = 512;
  if (hole_count > 0 && target_sp > t_hook.stack_lo + kSignalFrame) {
    uintptr_t here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    if (!on_stack(lane->stacks[lane->current], here) || target_sp - here > kSignalFrame) {
      for (size_t i = 0; i < hole_count; i++) publish(holes[i], kVoid);
      first_hole = end;
    }
  }
  lane->clean = lane_position(lane->lap, first_hole);
}

void write_or_fold(Lane* lane, uint64_t word, uintptr_t target_sp, uintptr_t pc) {
  if (make_room(lane, pending_bytes(lane) + kControlBytes, /*for_entry=*/false)) {
    uint64_t ticks = read_ticks();
    write_pending(lane, ticks);
    put_control(reserve(kControlBytes), ticks, ControlKind::kUnwind, word, pc, target_sp);
    return;
  }
  Pending& pending = lane->pending;
  pending.closed_sp = target_sp;
  pending.closed_function = 0;
  // Without it an exception that was recorded would never have been caught. Others since were not:
  // what is pending comes before the next.
  if (unwind_kind(word) == UnwindKind::kHandler && pending.landed_word == 0) {
    pending.landed_word = word;
    pending.landed_pc = pc;
    pending.landed_sp = target_sp;
  }
}

// Frames of the current stack below `target_sp` are gone; so may be its root and dropped calls.
void unwind_stack(Lane* lane, uint64_t word, uintptr_t target_sp, uintptr_t pc) {
  Root& root = lane->stacks[lane->current].root;
  if (!root.open) return;
  if (lane->drop.active && target_sp > lane->drop.sp) lane->drop.active = false;
  if (root.recorded) write_or_fold(lane, word, target_sp, pc);
  if (target_sp > root.sp) close_root(lane);
}

}  // namespace

void note_unwind(UnwindKind kind, const void* exception, uintptr_t target_sp, uintptr_t pc,
                 uintptr_t sp) {
  uint64_t word = unwind_word(kind, reinterpret_cast<uintptr_t>(exception));
  Lane* lane = t_hook.lane;
  if (lane == nullptr || g_alive.mask == 0) return;
  void_abandoned(lane, target_sp);
  // The handler that interrupted the slow path is leaving it for good.
  if (lane->busy_sp != 0 && target_sp > lane->busy_sp) {
    lane->busy_sp = 0;
    finish_wrap(lane);
  }
  SlowPath slow(lane, sp);
  if (!slow.entered()) return;
  find_stack(lane, sp);
  if (!on_stack(lane->stacks[lane->current], target_sp)) {
    // To another stack. Leaving a signal handler's alternate stack ends all that is on it; a
    // coroutine library that switches by longjmp ends nothing on the stack it leaves.
    const Stack& left = lane->stacks[lane->current];
    if (left.kind == StackKind::kAlternate) unwind_stack(lane, word, left.hi, 0);
    find_stack(lane, target_sp);
  }
  if (on_stack(lane->stacks[lane->current], target_sp)) {
    unwind_stack(lane, word, target_sp, pc);
  }
  publish_hook_state(lane);
}

void note_event(ControlKind kind, uint64_t a, uintptr_t sp) {
  Lane* lane = t_hook.lane;
  if (lane == nullptr || g_alive.mask == 0 || lane->mute) return;
  SlowPath slow(lane, sp);
  if (!slow.entered() || !make_room(lane, kControlBytes, /*for_entry=*/false)) return;
  put_control(reserve(kControlBytes), read_ticks(), kind, a, 0, sp);
  publish_hook_state(lane);
}

}  // namespace telinject
