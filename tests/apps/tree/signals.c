/* An instrumented signal handler that interrupts whatever there is.
 *
 * signals same|alternate CALLS HANDLED [storm]
 *
 * By a timer at 10 kHz, or by a storm: another thread that sends signals as fast as it can, up to
 * twice as many. Goes on until at least CALLS calls were made and HANDLED signals handled.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "../calls.h"

COUNTED(handler);
COUNTED(nested);
COUNTED(work);
COUNTED(leaf);

static volatile int sink;
static long wanted;
static pthread_t worker;
static int enough;

NOINLINE static void leaf(void) {
  CALLED(leaf);
}

NOINLINE static void work(void) {
  CALLED(work);
  leaf();
}

NOINLINE static void nested(void) {
  CALLED(nested);
}

static void handler(int number) {
  (void)number;
  CALLED(handler);
  nested();
}

UNTRACED static long handled(void) {
  return __atomic_load_n(&calls_of_handler, __ATOMIC_RELAXED);
}

UNTRACED static void* storm(void* unused) {
  /* Not for ever: a handler is all that a slow machine may get done between two signals. */
  while (!__atomic_load_n(&enough, __ATOMIC_RELAXED) && handled() < 2 * wanted) {
    pthread_kill(worker, SIGALRM);
  }
  return unused;
}

UNTRACED static void set_timer(int microseconds) {
  struct itimerval timer = {{0, microseconds}, {0, microseconds}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

UNTRACED static void block(void) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
}

/* Until a signal has come, or a while: calls are to be spread over the time that signals take. */
UNTRACED static void spin(void) {
  long seen = handled();
  for (int i = 0; i < 2000 && handled() == seen; i++) sink = i;
}

int main(int argc, char** argv) {
  int is_storm = argc > 4;
  long calls = atol(argv[2]);
  wanted = atol(argv[3]);
  worker = pthread_self();
  stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_handler = handler};
  action.sa_flags = SA_RESTART | (strcmp(argv[1], "alternate") == 0 ? SA_ONSTACK : 0);
  sigaction(SIGALRM, &action, NULL);
  pthread_t thread = 0;
  if (is_storm) {
    pthread_create(&thread, NULL, storm, NULL);
  } else {
    set_timer(100);
  }
  for (long done = 0; done < calls || handled() < wanted; done++) {
    if (done < calls) work();
    spin();
  }
  block();
  __atomic_store_n(&enough, 1, __ATOMIC_RELAXED);
  if (is_storm) pthread_join(thread, NULL);
  TELL(handler);
  TELL(nested);
  TELL(work);
  TELL(leaf);
  puts("main 1");
  return 0;
}
