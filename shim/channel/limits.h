// How much memory tracing may take, so that a program under limits does not notice it.
#pragma once

#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject {

// The size of a lane's ring that suits the memory limit of this process's control group: 16 lanes
// take at most a sixteenth of it. kMaxRingBytes without a limit. Reads /proc/self/cgroup and the
// group's files: some 50 us, so once a session. Raw system calls, no heap.
uint32_t ring_bytes_for_cgroup();

// The largest power of two up to `bytes`, within a ring's bounds.
uint32_t clamp_ring_bytes(uint64_t bytes);

}  // namespace telinject
