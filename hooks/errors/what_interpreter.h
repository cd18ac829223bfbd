// Finds the text that an exception's what() would return, without calling it.
//
// what() is the program's code: it could throw, crash, print, wait for a lock or never return. So a
// small interpreter executes its machine instructions instead. It reads the program's memory by a
// call that cannot fault, writes only to a stack of its own, and gives up at an instruction that it
// does not know and after a bounded number of steps.
//
// It can follow functions that return a literal, a member or a string's c_str(), at any level of
// optimisation and through calls. It cannot follow functions that compose their text when called.
//
// Async-signal-safe, except when it looks up a function that the program has not called yet. Uses 1
// KiB of stack.
#pragma once

#include <cstdint>

namespace telinject::program {

// The address of the text that what() of this std::exception would return; 0 if it cannot be found.
uintptr_t read_what(uintptr_t exception);

}  // namespace telinject::program
