/* busy CALLS [FILE]: two threads, each with that many calls of `step`, three deep in others, and a
 * rest now and then, so that they come in several batches; main is open all the time. Tells its pid
 * in FILE at the end. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long calls;

static long step(long n) {
  return n * 7 % 1000003;
}

static long round_of(long n) {
  long sum = 0;
  for (int i = 0; i < 10; i++) sum += step(n + i);
  return sum;
}

static void* work(void* argument) {
  long sum = 0;
  for (long i = 0; i < calls / 10; i++) {
    if (i % (calls / 100 + 1) == 0) usleep(30000);
    sum += round_of(i);
  }
  *(long*)argument = sum;
  return argument;
}

int main(int argc, char** argv) {
  pthread_t thread;
  long sums[2] = {0, 0};
  calls = argc > 1 ? atol(argv[1]) : 10;
  if (pthread_create(&thread, NULL, work, &sums[0]) != 0) return 1;
  work(&sums[1]);
  pthread_join(thread, NULL);
  if (argc > 2) {
    FILE* file = fopen(argv[2], "w");
    if (file == NULL) return 1;
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
  }
  return sums[0] == sums[1] ? 0 : 1;
}
