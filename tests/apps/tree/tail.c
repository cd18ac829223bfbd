/* Calls in tail position: a chain, through pointers, and a loop made of them. */
#include "../calls.h"

COUNTED(ping);
COUNTED(pong);

static volatile int sink;

NOINLINE static int last(int n) {
  return sink = n;
}
NOINLINE static int third(int n) {
  return last(n + 1);
}
NOINLINE static int second(int n) {
  return third(n + 1);
}
NOINLINE static int first(int n) {
  return second(n + 1);
}

NOINLINE static int through(int (*const volatile* function)(int), int n) {
  return (*function)(n);
}

static int pong(int n);

NOINLINE static int ping(int n) {
  CALLED(ping);
  return n == 0 ? 0 : pong(n - 1);
}

NOINLINE static int pong(int n) {
  CALLED(pong);
  return n == 0 ? 0 : ping(n - 1);
}

int main(void) {
  static int (*const volatile table[])(int) = {first, last};
  first(0);
  through(&table[0], 0);
  through(&table[1], 0);
  ping(1000);
  TELL(ping);
  TELL(pong);
  return 0;
}
