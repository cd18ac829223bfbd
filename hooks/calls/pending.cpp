#include "hooks/calls/pending.h"

#include "hooks/calls/stacks.h"
#include "hooks/lane/record_writer.h"

namespace telinject::program {

namespace {

void put_stack(const Stack& stack, uint64_t ticks) {
  put_control(reserve(kControlBytes), ticks, ControlKind::kStack, stack.hi - stack.lo, stack.lo,
              stack.fresh ? kStackIsNew : 0);
}

}  // namespace

bool has_pending(const Lane* lane) {
  return lane->pending.lost != 0 || lane->pending.closed_sp != 0 ||
         lane->pending.landed_word != 0 || lane->pending.waited != 0 || !is_announced(lane);
}

uintptr_t pending_bytes(const Lane* lane) {
  return (lane->pending.landed_word != 0 ? kControlBytes : 0) +
         (lane->pending.closed_sp != 0 ? kControlBytes : 0) +
         (lane->pending.lost != 0 ? kControlBytes : 0) +
         (lane->pending.waited != 0 ? kControlBytes : 0) +
         (is_announced(lane) ? 0 : kControlBytes) + (lane->tell_origin ? kControlBytes : 0);
}

void write_pending(Lane* lane, uint64_t ticks) {
  Pending& pending = lane->pending;
  // What was open while the thread waited, or while calls were lost, is open still, as far as the
  // drain knows. (Of calls whose exits were merged below, too, some were.)
  if (pending.waited != 0) {
    put_control(reserve(kControlBytes), ticks, ControlKind::kWaited, 0, pending.waited, 0);
    pending.waited = 0;
  }
  if (pending.lost != 0) {
    put_control(reserve(kControlBytes), ticks, ControlKind::kLost, 0, 0, pending.lost);
    pending.lost = 0;
  }
  // Then: frames further up may have returned since.
  if (pending.landed_word != 0) {
    put_control(reserve(kControlBytes), ticks, ControlKind::kUnwind, pending.landed_word,
                pending.landed_pc, pending.landed_sp);
    pending.landed_word = 0;
  }
  if (pending.closed_sp != 0) {
    put_control(reserve(kControlBytes), ticks, ControlKind::kClosed, pending.closed_function,
                pending.merged, pending.closed_sp);
    pending.closed_sp = 0;
    pending.merged = 0;
  }
  if (is_announced(lane)) return;
  const Stack* origin = lane->tell_origin ? stack_before(lane) : nullptr;
  if (origin != nullptr) put_stack(*origin, ticks);
  lane->tell_origin = false;
  put_stack(*lane->current, ticks);
  lane->current->fresh = false;
  lane->announced_lo = lane->current->lo;
  lane->announced_hi = lane->current->hi;
}

}  // namespace telinject::program
