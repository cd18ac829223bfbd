/* Inlined functions are traced too, though they share the frame of what they are inlined into. */
#include "../calls.h"

static volatile int sink;

NOINLINE static void real(void) {
  sink = 1;
}

INLINE void leaf(void) {
  sink = 2;
}

INLINE void inner(void) {
  real();
  leaf();
}

INLINE void outer(void) {
  inner();
  leaf();
  inner();
}

NOINLINE static void nested(void) {
  outer();
  outer();
}

NOINLINE static void repeated(int times) {
  for (int i = 0; i < times; i++) leaf();
  for (int i = 0; i < times; i++) inner();
}

NOINLINE static void either(int times) {
  for (int i = 0; i < times; i++) {
    if (i % 2) {
      outer();
    } else {
      leaf();
    }
  }
}

/* Inlined into itself, as far as the compiler likes. */
static inline int down(int n) {
  leaf();
  return n == 0 ? 0 : down(n - 1) + 1;
}

NOINLINE static void recursive(void) {
  sink = down(5);
}

/* The same inlined function at two levels, and around a real call of what it is inlined into. */
NOINLINE static void again(int n) {
  inner();
  if (n > 0) again(n - 1);
  leaf();
}

int main(void) {
  nested();
  repeated(3);
  either(4);
  recursive();
  again(2);
  outer();
  return 0;
}
