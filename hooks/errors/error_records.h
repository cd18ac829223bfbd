// Writes exceptions and crashes as messages into the lane: what it was, and the stack as addresses.
// The drain looks up the names.
#pragma once

#include <cstdint>

#include "hooks/calls/stack_walk.h"
#include "hooks/lane/state.h"

namespace telinject::program {

// Records that an exception is thrown; `again` if by `throw;`. `exception` is the unwinder's
// header, `sp` the wrapper's own canonical frame address. Not async-signal-safe, as throwing is
// not: it may walk the list of loaded objects, as the unwinder will too.
void note_throw(const void* exception, bool again, uintptr_t sp);

// Writes a text of at most `capacity` bytes, and returns its size.
using LastWords = size_t (*)(char* out, size_t capacity);

// Records that a signal is about to end the process. `registers` are those of the interrupted code,
// and are not trusted. `words` supplies what libc said about it, and may be null.
// Async-signal-safe.
void note_crash(const CrashMessage& crash, const arch::Registers& registers, LastWords words,
                uintptr_t sp);

// Copies a string from an address that may be invalid. Returns 0 if it cannot be read.
size_t copy_string(uintptr_t address, char* out, size_t capacity);

}  // namespace telinject::program
