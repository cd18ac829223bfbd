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

// True if the stack that holds `sp` is known.
bool is_known_stack(Lane* lane, uintptr_t sp);

// The stack that holds `sp`; the current one if none is known to.
const Stack& stack_at(Lane* lane, uintptr_t sp);

// Makes the stack that holds `sp` the lane's current one, and finds out its bounds if it is new.
void select_stack(Lane* lane, uintptr_t sp);

// The same for stacks that are known already; else the current one stays.
void find_stack(Lane* lane, uintptr_t sp);

// Where the thread was before it came to its current stack; null if that is not known any more.
const Stack* stack_before(const Lane* lane);

// What the root of the current stack is to continue: the root of the stack that the thread came
// from, or of its own stack. Null if there is none.
const Root* root_below(const Lane* lane);

// The drain knows that the thread is on its current stack.
inline bool is_announced(const Lane* lane) {
  const Stack& stack = *lane->current;
  return lane->announced_lo == stack.lo && lane->announced_hi == stack.hi && !stack.fresh;
}

// A stack handed to makecontext(3): its exact bounds. What was known of that memory is over. `lane`
// is the calling thread's, or null; `sp` the caller's.
void note_context_stack(Lane* lane, uintptr_t lo, uintptr_t hi, uintptr_t sp);

// The thread goes from one stack pointer to another, by swapcontext(3) or setcontext(3). False if
// both are on the same stack.
bool note_switch(uintptr_t from, uintptr_t to);

}  // namespace telinject
