// Finds where a stack begins when its first call is seen, by walking its frames.
//
// Memory mappings do not show it. Programs cut stacks out of one block, or allocate them next to
// each other so that the kernel merges the mappings, and with many stacks /proc/self/maps is long.
//
// The chain of return addresses does show it. Either it leads into a known stack, which then
// reaches further down than was known, or it ends where the coroutine was started. It certainly
// ends at a return address that is 0, is not code, or does not follow a call instruction: libraries
// put such addresses there. It also ends at one without call frame information that is followed
// only by a trap.
//
// Async-signal-safe, no allocation. Takes about 150 ns a frame, for at most 64 frames.
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

struct StackOrigin {
  Stack* joins;   // the known stack that the chain leads into; null if there is none
  uintptr_t end;  // else, where the outermost frame ends
  bool certain;   // nothing is above it
};

// Walks from the function that called the hook, whose stack pointer is `sp`. `known` finds known
// stacks.
StackOrigin find_origin(Lane* lane, uintptr_t sp, Stack* (*known)(Lane*, uintptr_t));

}  // namespace telinject::program
