/* Does something, then waits to be killed. */
#include <unistd.h>

static volatile int sum;

void work(int i) {
  sum += i;
}

int main(void) {
  for (int i = 0; i < 100; i++) work(i);
  for (;;) pause();
}
