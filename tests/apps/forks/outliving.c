/* A child that outlives its parent, and what is harder on it.
 *
 * outliving orphan|daemon|closed FILE
 *
 * orphan: it just goes on. daemon: by daemon(3). closed: it closes every descriptor, too. The
 * parent ends at once; the child starts to work when that has happened and makes FILE when it has
 * done so.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../calls.h"

static volatile int sink;

NOINLINE static void leaf(void) {
  sink = 1;
}

NOINLINE static void work(void) {
  for (int i = 0; i < 100; i++) leaf();
}

NOINLINE static void child(int parent, const char* path) {
  leaf();
  while (getppid() == parent) usleep(1000);
  work();
  if (creat(path, 0600) < 0) abort();
}

NOINLINE static void divide(const char* way, const char* path) {
  int parent = getpid();
  if (strcmp(way, "orphan") == 0) {
    if (fork() == 0) child(parent, path);
  } else {
    if (daemon(0, 0) != 0) abort();
    if (strcmp(way, "closed") == 0) syscall(SYS_close_range, 0, ~0U, 0);
    child(parent, path);
  }
}

int main(int argc, char** argv) {
  (void)argc;
  divide(argv[1], argv[2]);
  return 0;
}
