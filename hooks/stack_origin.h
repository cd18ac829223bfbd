// Where a stack begins on which a call is seen for the first time, by walking it.
//
// Memory mappings do not tell: stacks are carved out of one block, or allocated one below the other
// so that the kernel merges them, and with many of them /proc/self/maps is long. The callers do:
// the chain of return addresses leads into a stack that is known, which then reaches further down
// than was thought, or it ends where the coroutine was started. It ends for certain at a return
// address of 0, of no code, or that no call instruction stands before: libraries put those there.
// And at one without call frame information that only a trap follows.
//
// Async-signal-safe, no allocation; about 150 ns a frame, for at most 64 frames.
#pragma once

#include "hooks/state.h"

namespace telinject {

struct StackOrigin {
  Stack* joins;   // the known stack that the chain leads into; null if there is none
  uintptr_t end;  // else, where the outermost frame ends
  bool certain;   // nothing is above it
};

// From the function whose stack pointer is `sp`, and that called us. `known` finds stacks.
StackOrigin find_origin(Lane* lane, uintptr_t sp, Stack* (*known)(Lane*, uintptr_t));

}  // namespace telinject
