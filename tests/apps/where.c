// A program for tests that look at where events say they come from: main and two calls, or as many
// as the argument says.
#include <stdlib.h>

static int twice(int number) {
  return 2 * number;
}

int main(int argc, char** argv) {
  int calls = argc > 1 ? atoi(argv[1]) : 2;
  int sum = 0;
  for (int i = 0; i < calls; i++) sum += twice(i) & 1;
  return sum;
}
