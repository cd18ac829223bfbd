// Room in a lane.
#pragma once

#include "hooks/state.h"

namespace telinject {

// What must stay free for exits of calls that are already recorded, when entries are refused.
constexpr uint64_t exit_reserve(uint64_t ring_bytes) {
  return ring_bytes / 8;
}
// Producers stop this far behind the drain: hooks that were interrupted between check and
// reservation may overrun by a record for each nested handler.
inline constexpr uint64_t kGuardBytes = 1024;

// Reads how far the drain has come and sets the lane's limits, wrapping to the ring's start if that
// is due. Wakes the drain if it sleeps. No system call but that, and none under a seccomp filter.
void refresh_limits(Lane* lane);

// Completes a wrap that was begun, however far it had come. Part of wrapping; called again when a
// signal handler has left the slow path by longjmp.
void finish_wrap(Lane* lane);

// True if `bytes` can be reserved now, in one piece; for an entry, with the reserve left. In the
// blocking mode it waits for the drain, for as long as that shows signs of life.
bool make_room(Lane* lane, uintptr_t bytes, bool for_entry);

}  // namespace telinject
