/* An instrumented resolver of an indirect function: with LD_BIND_NOW it runs while the loader is
 * still relocating, before any library's constructor. */
#include <stdio.h>

static int chosen_one(int x) {
  return x + 1;
}
static int (*choose(void))(int) {
  return chosen_one;
}
int chosen(int) __attribute__((ifunc("choose")));

int main(void) {
  printf("%d\n", chosen(1));
  return 0;
}
