// argv: threads, which share one processor, and for how many milliseconds of its time each works.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static long work_ms;

static int64_t processor_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

__attribute__((noinline)) void step(void) {
  for (volatile int i = 0; i < 100000; i++) continue;
}

void* work(void* unused) {
  while (processor_ms() < work_ms) step();
  return unused;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  work_ms = atol(argv[2]);
  cpu_set_t one;
  sched_getaffinity(0, sizeof one, &one);
  int first = 0;
  while (!CPU_ISSET(first, &one)) first++;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  sched_setaffinity(0, sizeof one, &one);
  pthread_t threads[16];
  int count = atoi(argv[1]);
  if (count > 16) return 2;
  for (int i = 0; i < count; i++) pthread_create(&threads[i], NULL, work, NULL);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  return 0;
}
