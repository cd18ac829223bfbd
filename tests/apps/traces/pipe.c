/* A | B, as a shell makes it: two programs at once, the output of one into the other.
 *
 * pipe PROGRAM PROGRAM
 */
#include <sys/wait.h>
#include <unistd.h>

#include "../calls.h"

NOINLINE static int start(char* program, int in, int out) {
  int pid = fork();
  if (pid != 0) return pid;
  dup2(in, 0);
  dup2(out, 1);
  execl(program, program, NULL);
  _exit(5);
}

NOINLINE static int connect(char** programs) {
  int ends[2], failed = pipe(ends);
  int pids[2];
  pids[0] = start(programs[0], 0, ends[1]);
  close(ends[1]);
  pids[1] = start(programs[1], ends[0], 1);
  close(ends[0]);
  for (int i = 0; i < 2; i++) {
    int status = -1;
    waitpid(pids[i], &status, 0);
    failed |= status;
  }
  return failed;
}

int main(int argc, char** argv) {
  (void)argc;
  return connect(argv + 1) != 0;
}
