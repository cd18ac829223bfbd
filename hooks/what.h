// The text that an exception's what() would return.
//
// what() is the program's code: it could throw, crash, print, wait for a lock or never return, and
// it is not us who may make it do so. So it is not called but read: a small interpreter of the
// instructions that such functions consist of, which loads from the program's memory by a call that
// cannot fault, stores to a stack of its own only, and gives up at whatever it does not know, after
// a bounded number of steps. That covers what returns a literal, a member, or a string's c_str(),
// at any level of optimisation, through calls too; not what composes its text while it is asked.
//
// Async-signal-safe but for looking up a function that the program has not called yet. 1 KiB of
// stack.
#pragma once

#include <cstdint>

namespace telinject {

// What what() of this std::exception returns; 0 if that cannot be told.
uintptr_t read_what(uintptr_t exception);

}  // namespace telinject
