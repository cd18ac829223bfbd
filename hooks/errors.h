// Exceptions and crashes, as messages in the lane: what it was, and the stack as addresses. Names
// are the drain's business.
#pragma once

#include <cstdint>

#include "hooks/stack_walk.h"
#include "hooks/state.h"

namespace telinject {

// An exception (the unwinder's header) sets out to look for a handler, `again` after a `throw;`.
// `sp` is the wrapper's own canonical frame address. Not async-signal-safe, as throwing is not: it
// may walk the list of loaded objects, as the unwinder will in a moment.
void note_throw(const void* exception, bool again, uintptr_t sp);

// Stores what there is to say, at most `capacity` bytes; returns how many.
using LastWords = size_t (*)(char* out, size_t capacity);

// A signal is about to end the process, at `registers`. Nothing there is trusted. `words` may be
// null. Async-signal-safe.
void note_crash(const CrashMessage& crash, const Registers& registers, LastWords words,
                uintptr_t sp);

// Copies a string that may lie anywhere; 0 if it cannot be read.
size_t copy_string(uintptr_t address, char* out, size_t capacity);

}  // namespace telinject
