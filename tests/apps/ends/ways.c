/* The ways a process ends, each within calls that never return, while another thread is within one.
 *
 * ways WAY
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../calls.h"

static volatile int sink;
static volatile int* volatile nowhere;
static sem_t waiting;

NOINLINE static void after(void) {
  sink = 1;
}

static void* stay(void* unused) {
  sem_post(&waiting);
  for (;;) pause();
  return unused;
}

UNTRACED static void end(const char* way) {
  if (strcmp(way, "exit") == 0) exit(3);
  if (strcmp(way, "_exit") == 0) _exit(3);
  if (strcmp(way, "_Exit") == 0) _Exit(3);
  if (strcmp(way, "quick_exit") == 0) quick_exit(3);
  if (strcmp(way, "exit_group") == 0) syscall(SYS_exit_group, 3);
  if (strcmp(way, "abort") == 0) abort();
  if (strcmp(way, "SIGSEGV") == 0) *nowhere = 1;
  if (strcmp(way, "SIGKILL") == 0) kill(getpid(), SIGKILL);
  if (strcmp(way, "SIGTERM") == 0) raise(SIGTERM);
  if (strcmp(way, "trap") == 0) __builtin_trap();
}

NOINLINE static void inner(const char* way) {
  after();
  end(way);
  after();
}

NOINLINE static void outer(const char* way) {
  inner(way);
  after();
}

int main(int argc, char** argv) {
  (void)argc;
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  pthread_t thread;
  sem_init(&waiting, 0, 0);
  pthread_create(&thread, NULL, stay, NULL);
  sem_wait(&waiting);
  outer(argv[1]);
  return 3;
}
