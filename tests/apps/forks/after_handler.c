/* A thread, a child and a program that are started after a signal handler ran on its own stack:
 * what started them is where it was before.
 *
 * after_handler PROGRAM
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../calls.h"

static volatile int sink;

NOINLINE static void leaf(void) {
  sink = 1;
}

static void handler(int number) {
  sink = number;
  leaf();
}

static void* thread_work(void* unused) {
  leaf();
  return unused;
}

NOINLINE static void child_work(void) {
  leaf();
}

NOINLINE static void start_thread(void) {
  pthread_t thread;
  raise(SIGUSR1);
  pthread_create(&thread, NULL, thread_work, NULL);
  pthread_join(thread, NULL);
}

NOINLINE static void start_child(void) {
  raise(SIGUSR1);
  int pid = fork();
  if (pid == 0) {
    child_work();
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}

NOINLINE static void start_program(const char* path) {
  raise(SIGUSR1);
  if (system(path) != 0) abort();
}

int main(int argc, char** argv) {
  (void)argc;
  stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &action, NULL);
  start_thread();
  start_child();
  start_program(argv[1]);
  return 0;
}
