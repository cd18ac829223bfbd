// The calls that are under way in this thread, as addresses: the stack of a throw or of a crash.
//
// Async-signal-safe, no allocation, no lock; about 150 ns a frame, and some microseconds where a
// module is seen for the first time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/call_frame.h"
#include "shim/channel/message.h"

namespace telinject {

struct StackBounds {
  uintptr_t lo, hi;
};

// Stores the addresses, innermost first, and returns how many. What `registers` stand in is the
// first; `exact` says that its pc is no return address. Memory of [registers' sp, bounds.hi) is
// read as it is, other memory by a system call that cannot fault.
size_t walk_stack(const Registers& registers, bool exact, const StackBounds& bounds,
                  uint64_t* addresses, size_t capacity);

// One step: from a function's registers to its caller's. Memory of `bounds` is read as it is.
// `exact` as above, and then of the caller. False where that cannot be told.
bool step_out(Registers* registers, bool* exact, const StackBounds& bounds);

// The registers of the function that this is inlined into.
inline __attribute__((always_inline)) Registers current_registers() {
  Registers registers = {};
  __asm__ volatile(
      "movq %%rbx, 24(%0)\n\tmovq %%rbp, 48(%0)\n\tmovq %%rsp, 56(%0)\n\t"
      "movq %%r12, 96(%0)\n\tmovq %%r13, 104(%0)\n\tmovq %%r14, 112(%0)\n\tmovq %%r15, 120(%0)\n\t"
      "leaq 0(%%rip), %%rax\n\tmovq %%rax, 128(%0)"
      :
      : "r"(registers.value)
      : "rax", "memory");
  return registers;
}

}  // namespace telinject
