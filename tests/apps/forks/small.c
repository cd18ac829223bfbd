/* A program that others start. */
#include "../calls.h"

static volatile int sink;

NOINLINE static void leaf(void) {
  sink = 1;
}

NOINLINE static void work(int n) {
  for (int i = 0; i < n; i++) leaf();
}

int main(int argc, char** argv) {
  work(argc > 1 ? argv[1][0] - '0' : 1);
  return 0;
}
