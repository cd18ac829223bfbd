// Takes chunks from the segment's pool for the lanes of this process.
//
// Async-signal-safe, lock-free. System calls: one mremap(2) and one madvise(2) per group of chunks
// that is mapped. Makes none under a seccomp filter; only mapped chunks can be used then.
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

inline constexpr uint32_t kNoChunk = ~uint32_t{0};

// True if the lanes together, and this one, may take more memory for new calls. A lane takes at
// most eight ninths of what the others have left, so that one busy thread leaves room for the rest.
bool entries_allowed(const Lane* lane);

// Takes an empty chunk and maps it. kNoChunk if the limit is reached or no more can be mapped. For
// entries the limit is what the drain allows; for exits it is kExitChunks higher.
uint32_t take_chunk(Lane* lane, bool for_entry);

// Returns a chunk that was taken but not written to.
void return_chunk(uint32_t chunk);

// The address of a chunk that take_chunk() has returned.
uintptr_t chunk_address(uint32_t chunk);

// Maps `bytes` of the pool in advance, before mapping is forbidden.
void map_ahead(uint64_t bytes);

}  // namespace telinject::program
