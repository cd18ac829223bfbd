// Exceptions and crashes, as messages in the lane: what it was, and the stack as addresses. Names are
// the drain's business.
#pragma once

#include <cstdint>

#include "hooks/state.h"
#include "hooks/stack_walk.h"

namespace telinject {

// An exception (the unwinder's header) sets out to look for a handler, `again` after a `throw;`. `sp`
// is the wrapper's own canonical frame address. Not async-signal-safe, as throwing is not: it may walk
// the list of loaded objects, as the unwinder will in a moment.
void note_throw(const void* exception, bool again, uintptr_t sp);

// A signal is about to end the process: at `registers`, on a stack within `bounds`.
// Async-signal-safe.
void note_crash(const CrashMessage& crash, const Registers& registers, const StackBounds& bounds,
                uintptr_t sp);

// Memory around `sp` that may be read: from there to the end of the stack it stands on, if that is
// known.
StackBounds stack_bounds(const Lane* lane, uintptr_t sp);

}  // namespace telinject
