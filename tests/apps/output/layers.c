/* Calls of known number, depth and length; a thread, a forked child and a coroutine, each begun in
 * a short call; and, if told so, a crash. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int sum;

void quick(void) {
  sum++;
}

void nap(long us) {
  struct timespec time = {0, us * 1000};
  nanosleep(&time, NULL);
}

void slow(void) {
  for (int i = 0; i < 10; i++) quick();
  nap(20000);
}

void outer(void) {
  quick();
  slow();
  quick();
}

void descend(int depth) {
  if (depth > 0) descend(depth - 1);
}

void* work(void* unused) {
  (void)unused;
  for (int i = 0; i < 5; i++) quick();
  slow();
  return NULL;
}

void begin_thread(pthread_t* thread) {
  pthread_create(thread, NULL, work, NULL);
}

pid_t begin_process(void) {
  pid_t child = fork();
  if (child == 0) {
    slow();
    _exit(0);
  }
  return child;
}

static ucontext_t here, there;
static char stack[256 << 10];

void coroutine(void) {
  quick();
  slow();
}

void begin_coroutine(void) {
  getcontext(&there);
  there.uc_stack.ss_sp = stack;
  there.uc_stack.ss_size = sizeof stack;
  there.uc_link = &here;
  makecontext(&there, coroutine, 0);
  swapcontext(&here, &there);
}

void crash(void) {
  abort();
}

int main(int argc, char** argv) {
  (void)argv;
  pthread_t thread;
  for (int i = 0; i < 3; i++) outer();
  descend(9);
  begin_thread(&thread);
  pid_t child = begin_process();
  begin_coroutine();
  pthread_join(thread, NULL);
  waitpid(child, NULL, 0);
  if (argc > 1) crash();
  return 0;
}
