// Starts a child that executes another program, as vfork does: the child shares our memory, and we
// are suspended until it has executed. So an error comes back in memory, without a pipe whose
// descriptor could collide with one of the program's, and nothing is copied (a fork costs more than
// the rest of telrun's work). The child runs on a stack of its own and makes raw system calls only,
// because vfork(2) does not say what a compiler may do with a shared frame.
#pragma once

#include <sys/types.h>

#include <initializer_list>

namespace telinject {

// Runs body(argument) in the child; `body` ends by executing or returns errno, which is stored in
// *error (0 if it executed, or if a signal ended it first). Returns the child's pid, or -1 with
// errno set if there is none. The child is there to be waited for also when `body` failed.
pid_t start_child(int (*body)(void* argument), void* argument, int* error);

// Closes every descriptor but 0, 1, 2 and these (-1: none).
void keep_only(std::initializer_list<int> fds);

}  // namespace telinject
