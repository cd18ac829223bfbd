// Non-local exits. longjmp never runs exit hooks, clang's code does not run them when an exception
// passes, and what is inlined shares its frame with what is not: so the wrappers of preload/ say
// here which frame control goes to, and the drain closes what lies below it.
#pragma once

#include "hooks/state.h"

namespace telinject {

// Control is about to go to `pc` in the frame whose stack pointer (at its call) is `target_sp`.
// `sp` is the wrapper's own canonical frame address. Async-signal-safe; no system call unless the
// lane is full in the blocking mode.
// `exception` is the unwinder's header, or null.
void note_unwind(UnwindKind kind, const void* exception, uintptr_t target_sp, uintptr_t pc,
                 uintptr_t sp);

// A bare record of the given kind on the current lane, if it is recording (kVfork, kVforkEnd,
// kExecFailed, kExit, kLaneEnded, kChildEnded).
void note_event(ControlKind kind, uint64_t a, uintptr_t sp);

}  // namespace telinject
