/* Two coroutines on their own stacks, called in turn; each is in the middle of its calls when it
 * yields. */
#include <stdlib.h>
#include <ucontext.h>

#include "../calls.h"

COUNTED(produce);
COUNTED(step);
COUNTED(leaf);
COUNTED(resume);

static ucontext_t caller, contexts[2];
static int current;

NOINLINE static void leaf(void) {
  CALLED(leaf);
}

UNTRACED static void yield(void) {
  swapcontext(&contexts[current], &caller);
}

NOINLINE static void step(int n) {
  CALLED(step);
  leaf();
  yield();
  leaf();
  if (n > 0) step(n - 1);
}

static void produce(int n) {
  CALLED(produce);
  step(n);
  leaf();
}

NOINLINE static void resume(int which) {
  CALLED(resume);
  current = which;
  swapcontext(&caller, &contexts[which]);
}

UNTRACED static void make(int which, int n) {
  enum { kBytes = 1 << 16 };
  getcontext(&contexts[which]);
  contexts[which].uc_stack.ss_sp = malloc(kBytes);
  contexts[which].uc_stack.ss_size = kBytes;
  contexts[which].uc_link = &caller;
  makecontext(&contexts[which], (void (*)(void))produce, 1, n);
}

int main(void) {
  make(0, 2);
  make(1, 3);
  for (int i = 0; i < 5; i++) {
    if (i < 4) resume(0);
    resume(1);
  }
  TELL(resume);
  TELL(produce);
  TELL(step);
  TELL(leaf);
  puts("main 1");
  return 0;
}
