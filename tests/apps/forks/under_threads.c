/* Several threads fork without exec while all of them call; grandchildren, too. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../calls.h"

enum { kThreads = 6, kForks = 4, kCalls = 30 };

static volatile int sink;

NOINLINE static void leaf(void) {
  sink = 1;
}

NOINLINE static void work(void) {
  for (int i = 0; i < kCalls; i++) leaf();
}

NOINLINE static void grandchild(void) {
  leaf();
}

NOINLINE static void child(int which) {
  work();
  if (which == 0) {
    int pid = fork();
    if (pid == 0) {
      grandchild();
      _exit(0);
    }
    waitpid(pid, NULL, 0);
  }
}

NOINLINE static void divide(int which) {
  int pid = fork();
  if (pid == 0) {
    child(which);
    _exit(0);
  }
  work();
  int status = -1;
  waitpid(pid, &status, 0);
  if (status != 0) abort();
}

static void* run(void* unused) {
  for (int i = 0; i < kForks; i++) divide(i);
  return unused;
}

int main(void) {
  pthread_t threads[kThreads];
  for (int i = 0; i < kThreads; i++) pthread_create(&threads[i], NULL, run, NULL);
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);
  return 0;
}
