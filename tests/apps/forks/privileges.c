/* Gives up what it started with before its first thread and child: a root directory, a user.
 *
 * privileges chroot|setuid DIRECTORY
 */
#define _GNU_SOURCE
#include <grp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../calls.h"

static volatile int sink;

NOINLINE static void leaf(void) {
  sink = 1;
}

static void* thread_work(void* unused) {
  leaf();
  return unused;
}

NOINLINE static void child_work(void) {
  leaf();
  pthread_t thread;
  pthread_create(&thread, NULL, thread_work, NULL);
  pthread_join(thread, NULL);
}

NOINLINE static void give_up(const char* what, const char* directory) {
  if (strcmp(what, "chroot") == 0) {
    if (chroot(directory) != 0 || chdir("/") != 0) abort();
  } else {
    if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0) abort();
  }
}

NOINLINE static void work(void) {
  pthread_t threads[4]; /* more than have lanes from the start */
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, thread_work, NULL);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  int pid = fork();
  if (pid == 0) {
    child_work();
    exit(0);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  if (status != 0) abort();
}

int main(int argc, char** argv) {
  (void)argc;
  give_up(argv[1], argv[2]);
  work();
  return 0;
}
