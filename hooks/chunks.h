// Chunks of the pool, for lanes of this process.
//
// Async-signal-safe, lock-free. System calls: one mremap(2) and one madvise(2) for each group of
// chunks that is mapped; none under a seccomp filter, where only mapped chunks can be used.
#pragma once

#include "hooks/state.h"

namespace telinject {

inline constexpr uint32_t kNoChunk = ~uint32_t{0};

// Whether lanes may take more memory for new calls, and this one, too: a lane takes no more than
// eight ninths of what the others have left, so that one busy thread leaves room for the rest.
bool entries_allowed(const Lane* lane);

// An empty chunk, mapped; kNoChunk if the bound is reached or no more can be mapped. For entries
// the bound is what the drain allows, for exits kExitChunks more.
uint32_t take_chunk(Lane* lane, bool for_entry);

// Puts back a chunk that was taken and not written to.
void return_chunk(uint32_t chunk);

// Where a chunk lies that take_chunk() has returned.
uintptr_t chunk_address(uint32_t chunk);

// Maps as much of the pool as `bytes`, before that is forbidden.
void map_ahead(uint64_t bytes);

}  // namespace telinject
