// Starts the program as our child, in the state in which telrun itself was started.
#pragma once

#include <signal.h>
#include <sys/time.h>
#include <sys/types.h>

#include <cstdint>

#include "shim/cli/program.h"

namespace telinject {

// What telrun changes in itself while it supervises, as it was before. The program gets it back.
struct Inherited {
  uint64_t mask;                  // as the kernel has it: libc's calls leave two signals out
  struct sigaction child_action;  // SIGCHLD may be ignored: then wait(2) would lose the status
  itimerval timers[3];            // a fork clears them, but they were meant for the program
};

// Blocks all signals, so that they can be read instead; SIGCHLD gets its default disposition.
void enter_supervision(Inherited* out);
// Back to how it was: in the program's process, or before executing in place. Raw enough for a
// child that shares our memory.
void leave_supervision(const Inherited& inherited);

// The environment for the program: the library behind what LD_PRELOAD has already, the session
// (null: none). Where the loader would complain about our library, it is taken out instead.
// Null if there is no memory.
char** program_environment(const char* path, const char* library, const char* session);

// Returns the pid. 0: it could not be executed, *error says why. -1: no process, errno says why.
pid_t start_program(const Program& program, char* const* envp, const Inherited& inherited,
                    int* error);

}  // namespace telinject
