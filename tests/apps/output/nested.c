// argv: how often outer() is called, each time calling leaf() a hundred times; then a file to make
// when that is done.
#include <stdio.h>
#include <stdlib.h>

static volatile int sink;

__attribute__((noinline)) void leaf(void) {
  sink++;
}

__attribute__((noinline)) void outer(void) {
  for (int i = 0; i < 100; i++) leaf();
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  for (int i = atoi(argv[1]); i > 0; i--) outer();
  FILE* done = fopen(argv[2], "w");
  return done == NULL || fclose(done) != 0;
}
