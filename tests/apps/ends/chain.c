/* A process that executes program after program, in several ways, and ends in the last one.
 *
 * chain STEP... END, a STEP is
 *   exec      executes the rest
 *   raw       the same, by a system call that no wrapper sees
 *   thread    the same, from another thread, which the others do not survive
 *   failing   an exec that fails
 *   fork      a child goes on with the rest; its parent waits, and returns
 * and an END is a signal's name or the status of main.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../calls.h"

extern char** environ;
static volatile int sink;
static volatile int* volatile nowhere;

NOINLINE static void work(void) {
  sink = 1;
}

NOINLINE static void* execute(void* arguments) {
  work();
  execv("/proc/self/exe", arguments);
  return NULL;
}

NOINLINE static void execute_unseen(char** arguments) {
  work();
  syscall(SYS_execve, "/proc/self/exe", arguments, environ);
}

NOINLINE static void execute_in_thread(char** arguments) {
  pthread_t thread;
  pthread_create(&thread, NULL, execute, arguments);
  pthread_join(thread, NULL);
}

NOINLINE static void fail(char** arguments) {
  execv("/no/such/program", arguments);
  work();
}

NOINLINE static int end(const char* how) {
  work();
  if (strcmp(how, "SIGSEGV") == 0) *nowhere = 1;
  if (strcmp(how, "SIGKILL") == 0) kill(getpid(), SIGKILL);
  if (strcmp(how, "SIGABRT") == 0) abort();
  return atoi(how);
}

int main(int argc, char** argv) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (int i = 1; i < argc; i++) {
    char** rest = argv + i;
    const char* step = argv[i];
    rest[0] = argv[0];
    if (strcmp(step, "exec") == 0) execute(rest);
    if (strcmp(step, "raw") == 0) execute_unseen(rest);
    if (strcmp(step, "thread") == 0) execute_in_thread(rest);
    if (strcmp(step, "failing") == 0) fail(rest);
    if (strcmp(step, "fork") == 0) {
      int status = 0;
      pid_t child = fork();
      if (child == 0) continue;
      waitpid(child, &status, 0);
      return 0;
    }
    if (i == argc - 1) return end(step);
  }
  return 0;
}
