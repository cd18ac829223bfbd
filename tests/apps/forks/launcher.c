/* Starts another program in a given way and waits for it.
 *
 * launcher WAY PROGRAM [ARGUMENT]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../calls.h"

extern char** environ;
static volatile int sink;

NOINLINE static void after(void) {
  sink = 1;
}

NOINLINE static void prepare(void) {
  sink = 2;
}

UNTRACED static int is(const char* way, const char* name) {
  return strcmp(way, name) == 0;
}

UNTRACED static void wait_for(int pid) {
  int status = -1;
  waitpid(pid, &status, 0);
  if (status != 0) exit(4);
}

NOINLINE static void execute(const char* way, char** argv) {
  prepare();
  if (is(way, "execv") || is(way, "fork+execv")) execv(argv[0], argv);
  if (is(way, "execl")) execl(argv[0], argv[0], argv[1], NULL);
  if (is(way, "fexecve")) fexecve(open(argv[0], O_RDONLY | O_CLOEXEC), argv, environ);
  if (is(way, "failing")) execv("/no/such/program", argv);
  execve(argv[0], argv, environ);
}

NOINLINE static void by_fork(const char* way, char** argv) {
  int pid = fork();
  if (pid == 0) {
    execute(way, argv);
    _exit(5);
  }
  wait_for(pid);
}

NOINLINE static void by_vfork(char** argv) {
  int pid = vfork();
  if (pid == 0) {
    execve(argv[0], argv, environ);
    _exit(5);
  }
  after();
  wait_for(pid);
}

/* The child of vfork makes calls of its own; they return or not. */
NOINLINE static void by_busy_vfork(char** argv) {
  int pid = vfork();
  if (pid == 0) {
    prepare();
    execute("", argv);
    _exit(5);
  }
  after();
  wait_for(pid);
}

NOINLINE static void leave(void) {
  prepare();
  _exit(0);
}

NOINLINE static void vfork_only(void) {
  int pid = vfork();
  if (pid == 0) leave();
  after();
  wait_for(pid);
}

NOINLINE static void by_spawn(const char* way, char** argv) {
  int pid = 0;
  int error = is(way, "posix_spawnp") ? posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ)
                                      : posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
  if (error != 0) exit(6);
  after();
  wait_for(pid);
}

NOINLINE static void by_shell(const char* way, char** argv) {
  char command[8192];
  snprintf(command, sizeof command, "%s %s", argv[0], argv[1] != NULL ? argv[1] : "");
  if (is(way, "system")) {
    if (system(command) != 0) exit(7);
  } else {
    FILE* output = popen(command, "r");
    int letter;
    while ((letter = fgetc(output)) != EOF) putchar(letter);
    if (pclose(output) != 0) exit(8);
  }
  after();
}

int main(int argc, char** argv) {
  (void)argc;
  const char* way = argv[1];
  argv += 2;
  if (is(way, "vfork")) {
    by_vfork(argv);
  } else if (is(way, "busy vfork")) {
    by_busy_vfork(argv);
  } else if (is(way, "vfork only")) {
    vfork_only();
  } else if (is(way, "posix_spawn") || is(way, "posix_spawnp")) {
    by_spawn(way, argv);
  } else if (is(way, "system") || is(way, "popen")) {
    by_shell(way, argv);
  } else if (is(way, "fork+execv")) {
    by_fork(way, argv);
  } else {
    execute(way, argv);
  }
  after();
  return 0;
}
