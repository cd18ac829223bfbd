// The stacks of coroutines, for all threads of the process.
//
// A coroutine may be resumed by any thread, so what is known of its stack belongs to none. There
// may be many: they are found by the page that a stack pointer lies in, in a hash table of fixed
// size, mapped when the process's first coroutine shows. A page may hold parts of several stacks.
// Where stacks overlap, the newest counts: memory is used again.
//
// Async-signal-safe: no lock, no heap, bounded; one mmap(2) in a process's life. A stack is used by
// one thread at a time, and how it is handed over is the program's affair, so what it holds needs
// no guard; only finding and adding do. Two threads that add at once at worst forget a stack. What
// is forgotten is found again when its next call is seen (Stack::unsure).
#pragma once

#include "hooks/state.h"

namespace telinject {

// The stack that holds `sp`; null if none is known to.
Stack* find_shared_stack(uintptr_t sp);

// The same for a page that no call has been seen in yet, of a stack whose bounds are known.
Stack* find_exact_stack(uintptr_t sp);

// A new stack. Beyond 131,072 of them it takes the place of another: of one with nothing open, if
// such a one is found soon.
Stack* add_shared_stack(uintptr_t lo, uintptr_t hi, bool exact);

// Remembers that `sp`, which is on it, is in a page of this stack's.
void remember_page(const Stack* stack, uintptr_t sp);

// Forgets the stacks that begin in [lo, hi), which is now used for another.
void forget_shared_stacks(uintptr_t lo, uintptr_t hi);

// In a forked child, none of whose threads is on a stack that it knows.
void forget_all_shared_stacks();

}  // namespace telinject
