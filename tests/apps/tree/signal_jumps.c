/* Signal handlers that leave by siglongjmp, on the interrupted stack and on an alternate one. */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#include "../calls.h"

static sigjmp_buf target;
static volatile int sink;

NOINLINE static void after(void) {
  sink = 1;
}

NOINLINE static void leave(void) {
  siglongjmp(target, 1);
}

static void handler(int number) {
  after();
  if (number == SIGUSR1) leave();
  after();
}

NOINLINE static void interrupted(int number) {
  raise(number);
  after();
}

NOINLINE static void attempt(int number) {
  if (sigsetjmp(target, 1) == 0) {
    interrupted(number);
  } else {
    after();
  }
}

NOINLINE static void attempts(void) {
  attempt(SIGUSR1);
  attempt(SIGUSR2);
  attempt(SIGUSR1);
}

UNTRACED static void install(int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGUSR2, &action, NULL);
}

int main(void) {
  stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
  sigaltstack(&stack, NULL);
  install(0);
  attempts();
  install(SA_ONSTACK);
  attempts();
  return 0;
}
