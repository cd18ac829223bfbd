/* The second half of a pipe: adds up the numbers that it reads. */
#include "../calls.h"

static long total;

NOINLINE static void add(int n) {
  total += n;
}

int main(void) {
  int n;
  while (scanf("%d", &n) == 1) add(n);
  printf("%ld\n", total);
  return 0;
}
