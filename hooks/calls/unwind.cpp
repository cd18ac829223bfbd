#include "hooks/calls/unwind.h"

#include "hooks/calls/pending.h"
#include "hooks/calls/slow_path.h"
#include "hooks/calls/stacks.h"
#include "hooks/lane/record_writer.h"
#include "hooks/lane/space.h"

namespace telinject::program {

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
class AbandonedHoles {
 public:
  explicit AbandonedHoles(uintptr_t target_sp) : target_sp_(target_sp) {}

  // Looks at the records in [from, end), which follow those that were looked at before. Returns the
  // first hole that stays, or `end`.
  uintptr_t look_at(uintptr_t from, uintptr_t end) {
    uintptr_t first_hole = end;
    for (uintptr_t at = from; at < end;) {
      auto* unit = reinterpret_cast<uint64_t*>(at);
      if (*unit == 0) {
        if (first_hole == end) first_hole = at;
        if (count_ < kMost) holes_[count_++] = unit;
        at += kUnitBytes;
        continue;
      }
      bool entry = *unit >> 62 == 0 && !is_control(unit[1]);
      if (entry && count_ > 0) {
        // The handler's frame. If it is not left, those who wait for its return still live.
        auto handler_sp = static_cast<uint32_t>(unit[3]);
        if (static_cast<int32_t>(static_cast<uint32_t>(target_sp_) - handler_sp) > 0) {
          fill();
          first_hole = end;
        }
        count_ = 0;
      }
      at += record_bytes(*unit);
    }
    return first_hole;
  }
  bool any() const { return count_ > 0; }
  void fill() {
    for (size_t i = 0; i < count_; i++) publish(holes_[i], kVoid);
  }

 private:
  static constexpr size_t kMost = 8;
  uintptr_t target_sp_;
  uint64_t* holes_[kMost];
  size_t count_ = 0;
};

void void_abandoned(Lane* lane, uintptr_t target_sp) {
  AbandonedHoles holes(target_sp);
  uint64_t number = position_number(lane->clean);
  uintptr_t kept = lane->previous_end;
  // A handler's records may have gone on into another chunk.
  if (number < lane->number && lane->previous_base != 0) {
    uint64_t from = number + 1 == lane->number ? position_offset(lane->clean) : 0;
    kept = holes.look_at(lane->previous_base + from, lane->previous_end);
  }
  uintptr_t end = t_hook.cursor;
  uintptr_t from = lane->base + (number == lane->number ? position_offset(lane->clean) : 0);
  uintptr_t first_hole = holes.look_at(from, end);
  // Nothing recorded since: the handler is not instrumented. Its interrupted hook is gone if
  // control goes to the function that called it or further up, not if it stays within the handler.
  // The kernel leaves more than the red zone between them.
  constexpr uintptr_t kSignalFrame = 512;
  if (holes.any() && target_sp > t_hook.stack_lo + kSignalFrame) {
    auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    if (!on_stack(*lane->current, here) || target_sp - here > kSignalFrame) {
      holes.fill();
      first_hole = end;
    }
  }
  bool stays = kept < lane->previous_end && *reinterpret_cast<const uint64_t*>(kept) == 0;
  lane->clean = stays ? lane_position(lane->number - 1, kept - lane->previous_base)
                      : lane_position(lane->number, first_hole - lane->base);
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
  Root& root = lane->current->root;
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
    finish_change(lane);
  }
  SlowPath slow(lane, sp);
  if (!slow.entered()) return;
  find_stack(lane, sp);
  if (!on_stack(*lane->current, target_sp)) {
    // To another stack. Leaving a signal handler's alternate stack ends all that is on it; a
    // coroutine library that switches by longjmp ends nothing on the stack it leaves.
    const Stack& left = *lane->current;
    if (left.kind == StackKind::kAlternate) unwind_stack(lane, word, left.hi, 0);
    find_stack(lane, target_sp);
  }
  if (on_stack(*lane->current, target_sp)) {
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

}  // namespace telinject::program
