// Records non-local exits. longjmp never runs exit hooks, clang's code does not run them when an
// exception passes, and an inlined function shares its frame with its caller. So the wrappers in
// preload/ report the frame that control goes to, and the drain closes all calls below it.
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

// Records that control is about to go to `pc` in the frame whose stack pointer (at its call) is
// `target_sp`. `exception` is the unwinder's header, or null. `sp` is the wrapper's own canonical
// frame address. Async-signal-safe. Makes no system call unless the lane is full in blocking mode.
void note_unwind(UnwindKind kind, const void* exception, uintptr_t target_sp, uintptr_t pc,
                 uintptr_t sp);

// Writes a record of the given kind to the current lane, if it is recording (kVfork, kVforkEnd,
// kExecFailed, kExit, kLaneEnded, kChildEnded).
void note_event(ControlKind kind, uint64_t a, uintptr_t sp);

}  // namespace telinject::program
