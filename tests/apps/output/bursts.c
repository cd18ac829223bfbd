/* bursts TIMES CALLS FILE: so often that many calls, with a rest of 20 ms behind each burst, so
 * that a busy machine's drain has taken them before the next ones come. Makes FILE at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long step(long n) {
  return n * 7 % 1000003;
}

int main(int argc, char** argv) {
  if (argc != 4) return 1;
  long sum = 0;
  for (long i = 0; i < atol(argv[1]); i++) {
    for (long j = 0; j < atol(argv[2]); j++) sum += step(i + j);
    usleep(20000);
  }
  FILE* file = fopen(argv[3], "w");
  if (file == NULL) return 1;
  fclose(file);
  return sum == 0;
}
