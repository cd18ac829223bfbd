// Room in a lane.
#pragma once

#include "hooks/state.h"

namespace telinject {

// What must stay free for exits of calls that are already recorded, when entries are refused.
constexpr uint64_t exit_reserve(uint64_t ring_bytes) {
  return ring_bytes / 8;
}
// Kept free for the hooks of signal handlers that interrupt the slow path: they cannot wait for
// room, for they would wait for the code that they interrupted.
inline constexpr uint64_t kNestedBytes = 8 * 1024;
// And for hooks that were interrupted between their check and their reservation, one record for
// each nested handler.
inline constexpr uint64_t kGuardBytes = 1024;

// Reads how far the drain has come and sets the lane's limits, wrapping to the ring's start if that
// is due. Wakes the drain if it sleeps. No system call but that, and none under a seccomp filter.
void refresh_limits(Lane* lane);

// Wakes the drain if it sleeps and system calls are allowed.
void ring_doorbell();

// True once the drain is known to have ended: the kernel has marked its word, or a producer has
// given up waiting for it.
bool drain_has_gone();

// Completes a wrap that was begun, however far it had come. Part of wrapping; called again when a
// signal handler has left the slow path by longjmp.
void finish_wrap(Lane* lane);

// True if `bytes` can be reserved now, in one piece; for an entry, with the reserve left. In the
// blocking mode it waits for the drain, for as long as that shows signs of life.
bool make_room(Lane* lane, uintptr_t bytes, bool for_entry);

}  // namespace telinject
