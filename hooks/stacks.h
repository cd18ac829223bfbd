// Which stack a frame stands on.
//
// Frames are told apart by their stack pointers, and that only has a meaning within one stack. A
// thread runs on its own stack, on an alternate one in a signal handler, and on others when it
// switches coroutines. Taking all of them for one gives a quarter to a half of all parents wrong in
// a program with coroutines.
#pragma once

#include "hooks/state.h"

namespace telinject {

// For a thread's first call: its own stack, from the size that pthread_create was given, from the
// process's limits if it is the main thread, else from /proc/self/maps.
void find_home_stack(Lane* lane, uintptr_t sp, uint64_t stack_bytes);
void set_home_stack(Lane* lane, uintptr_t lo, uintptr_t hi);

// True if the thread has been seen on the stack that holds `sp`.
bool is_known_stack(const Lane* lane, uintptr_t sp);

// The stack that holds `sp`; the current one if none is known to.
const Stack& stack_at(const Lane* lane, uintptr_t sp);

// Makes the stack that holds `sp` the lane's current one, looking its bounds up if it is new: one
// sigaltstack(2) and, if neither makecontext nor that knows it, /proc/self/maps.
void select_stack(Lane* lane, uintptr_t sp);

// The same for stacks that are known already; else the current one stays.
void find_stack(Lane* lane, uintptr_t sp);

// A stack handed to makecontext(3): its exact bounds, where memory alone would not tell (several
// coroutines in one heap block). Process wide, the last 256 of them.
void note_context_stack(uintptr_t lo, uintptr_t hi);

// Forgets the bounds of stacks that overlap memory which is now used for another.
void forget_stacks(Lane* lane, uintptr_t lo, uintptr_t hi);

}  // namespace telinject
