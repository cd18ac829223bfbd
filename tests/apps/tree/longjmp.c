/* Frames left by longjmp: one, several, to an inner and an outer target, again and again. */
#include <setjmp.h>

#include "../calls.h"

static jmp_buf near, far;
static volatile int sink;

NOINLINE static void after(void) {
  sink = 1;
}

NOINLINE static void jump(jmp_buf* target) {
  longjmp(*target, 1);
}

NOINLINE static void one(jmp_buf* target) {
  jump(target);
  after();
}

NOINLINE static void two(jmp_buf* target) {
  one(target);
  after();
}

NOINLINE static void own(void) {
  if (setjmp(near) == 0) longjmp(near, 1);
  after();
}

NOINLINE static void deep(void) {
  if (setjmp(far) == 0) {
    two(&far);
  } else {
    after();
  }
  after();
}

NOINLINE static void inner(void) {
  if (setjmp(near) == 0) two(&near);
  after();
  jump(&far);
}

NOINLINE static void twice(void) {
  if (setjmp(far) == 0) inner();
  after();
}

NOINLINE static void loop(void) {
  for (volatile int i = 0; i < 3; i++) {
    if (setjmp(near) == 0) two(&near);
  }
}

/* From one call site once by a jump, once by a return. */
NOINLINE static void maybe(int jumps) {
  if (jumps) jump(&near);
  after();
}

NOINLINE static void either(void) {
  for (volatile int i = 0; i < 4; i++) {
    if (setjmp(near) == 0) maybe(i % 2);
  }
}

NOINLINE static void plainly(void) {
  if (_setjmp(near) == 0) {
    after();
    _longjmp(near, 1);
  }
  after();
}

int main(void) {
  own();
  deep();
  twice();
  loop();
  either();
  plainly();
  return 0;
}
