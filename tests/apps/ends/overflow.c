/* The stack runs out. */
#include <sys/resource.h>

#include "../calls.h"

static volatile int sink;

NOINLINE static int forever(int n) {
  volatile char block[4096];
  block[n & 4095] = 1;
  return forever(n + 1) + block[0];
}

int main(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  sink = forever(0);
  return 0;
}
