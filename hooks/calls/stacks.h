// Finds the stack that a frame is on.
//
// Stack pointers identify frames, but only within one stack. A thread runs on its own stack, on an
// alternate one in a signal handler, and on others when it switches coroutines. If all of them were
// treated as one, a quarter to a half of all parents would be wrong in a program with coroutines.
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

// Finds the thread's own stack at its first call: from the size given to pthread_create, for the
// main thread from the process's limits, else from /proc/self/maps.
void find_home_stack(Lane* lane, uintptr_t sp, uint64_t stack_bytes);
void set_home_stack(Lane* lane, uintptr_t lo, uintptr_t hi);

// True if the stack that contains `sp` is known.
bool is_known_stack(Lane* lane, uintptr_t sp);

// The stack that contains `sp`; the current one if no known one does.
const Stack& stack_at(Lane* lane, uintptr_t sp);

// Makes the stack that contains `sp` the lane's current one. Finds its bounds if it is new.
void select_stack(Lane* lane, uintptr_t sp);

// The same for known stacks only. If the stack is not known, the current one stays.
void find_stack(Lane* lane, uintptr_t sp);

// The stack that the thread was on before its current one; null if that is no longer known.
const Stack* stack_before(const Lane* lane);

// The root that the root of the current stack continues: that of the stack that the thread came
// from, or of the thread's own stack. Null if there is none.
const Root* root_below(const Lane* lane);

// True if the drain knows that the thread is on its current stack.
inline bool is_announced(const Lane* lane) {
  const Stack& stack = *lane->current;
  return lane->announced_lo == stack.lo && lane->announced_hi == stack.hi && !stack.fresh;
}

// Records the exact bounds of a stack that was passed to makecontext(3), and forgets what was known
// of that memory. `lane` is the calling thread's, or null; `sp` is the caller's.
void note_context_stack(Lane* lane, uintptr_t lo, uintptr_t hi, uintptr_t sp);

// Records that the thread switches from one stack pointer to another by swapcontext(3) or
// setcontext(3). False if both are on the same stack.
bool note_switch(uintptr_t from, uintptr_t to);

}  // namespace telinject::program
