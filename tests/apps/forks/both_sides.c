/* fork: parent and child go on, the child returns through its parent's calls.
 *
 * both_sides fork|raw
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../calls.h"

static volatile int sink;

NOINLINE static void leaf(void) {
  sink = 1;
}

NOINLINE static void in_parent(void) {
  leaf();
}

NOINLINE static void in_child(void) {
  leaf();
  leaf();
}

NOINLINE static int divide(const char* how) {
  leaf();
  int pid = strcmp(how, "raw") == 0 ? (int)syscall(SYS_fork) : fork();
  if (pid == 0) {
    in_child();
  } else {
    in_parent();
  }
  leaf();
  return pid;
}

NOINLINE static void finish(int pid) {
  int status = 0;
  if (pid != 0) waitpid(pid, &status, 0);
}

int main(int argc, char** argv) {
  (void)argc;
  int pid = divide(argv[1]);
  finish(pid);
  return pid == 0 ? 0 : 3;
}
