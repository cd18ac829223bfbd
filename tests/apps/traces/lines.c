/* The first half of a pipe. */
#include "../calls.h"

NOINLINE static void line(int n) {
  printf("%d\n", n);
}

int main(void) {
  for (int i = 0; i < 20; i++) line(i);
  return 0;
}
