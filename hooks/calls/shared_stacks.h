// The stacks of coroutines, for all threads of the process.
//
// Any thread may resume a coroutine, so its stack is not part of a thread's state. There may be
// many stacks. They are found by the page of a stack pointer, in a hash table of fixed size, which
// is mapped when the process's first coroutine is seen. A page may contain parts of several stacks.
// Where stacks overlap, the newest counts, because memory is reused.
//
// Async-signal-safe: no lock, no heap, bounded; one mmap(2) per process. The program sees to it
// that one thread at a time uses a stack, so a Stack needs no guard. Only finding and adding do. If
// two threads add at once, a stack may be forgotten. It is found again when its next call is seen
// (Stack::unsure).
#pragma once

#include "hooks/lane/state.h"

namespace telinject::program {

// The stack that contains `sp`; null if no known one does.
Stack* find_shared_stack(uintptr_t sp);

// The same for a page in which no call has been seen yet. Finds only stacks with known bounds.
Stack* find_exact_stack(uintptr_t sp);

// Adds a stack. Beyond 131,072 stacks it replaces another one: a stack without open calls, if the
// search finds one soon.
Stack* add_shared_stack(uintptr_t lo, uintptr_t hi, bool exact);

// Remembers that the page of `sp`, which is on this stack, belongs to it.
void remember_page(const Stack* stack, uintptr_t sp);

// Forgets the stacks that begin in [lo, hi), which another stack uses now.
void forget_shared_stacks(uintptr_t lo, uintptr_t hi);

// Forgets all stacks. For a forked child, whose thread is on none of the known ones.
void forget_all_shared_stacks();

}  // namespace telinject::program
