// Walks this thread's open calls and returns their addresses: the stack of a throw or of a crash.
//
// Async-signal-safe, no allocation, no lock. Takes about 150 ns a frame, and some microseconds when
// it sees a module for the first time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arch/x86_64/registers.h"
#include "shim/channel/message.h"

namespace telinject::program {

struct StackBounds {
  uintptr_t lo, hi;
};

// Stores the addresses, innermost first, and returns their number. The first one is the pc in
// `registers`; `exact` says that it is not a return address. Memory in [registers' sp, bounds.hi)
// is read directly, other memory by a system call that cannot fault.
size_t walk_stack(const arch::Registers& registers, bool exact, const StackBounds& bounds,
                  uint64_t* addresses, size_t capacity);

// Makes one step, from a function's registers to its caller's. Memory in `bounds` is read directly.
// `exact` is as above; afterwards it is the caller's. False if the caller cannot be found.
bool step_out(arch::Registers* registers, bool* exact, const StackBounds& bounds);

}  // namespace telinject::program
