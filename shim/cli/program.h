// The program to run: found as a shell and execvp(3) find it, examined, executed.
#pragma once

#include <climits>
#include <cstddef>

namespace telinject {

// telrun's own exit statuses, those of env, nice, timeout and the shells.
inline constexpr int kExitOwnFailure = 125;
inline constexpr int kExitCannotExecute = 126;
inline constexpr int kExitNotFound = 127;

// Looks for `name` along PATH, without running anything. Returns 0, or errno: ENOENT if there is
// none, EACCES if what is there may not be executed.
int find_program(const char* name, char out[PATH_MAX]);

struct Program {
  char path[PATH_MAX];  // as execve gets it
  char** argv;
  char** shell_argv;  // the same for /bin/sh, for a script without an interpreter line
};

// Fills in shell_argv. False: no memory.
bool prepare_arguments(char** argv, Program* out);

// Replaces this process. Returns errno. Raw system calls only: runs in a child that shares its
// parent's memory, and no preloaded library's wrapper of execve gets to see it.
int execute(const Program& program, char* const* envp);

// Says on one line why a program cannot run; returns the status to exit with.
int report_exec_failure(const char* name, int error);

}  // namespace telinject
