/* full_rate SECONDS | full_rate SECONDS CALLS: two threads that do nothing but call `step`, for so
 * long or (what comes first) so often each. Prints how many calls of step there were. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds;
static long most;

static long step(long n) {
  return n * 7 + 1;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static long a_thousand(long n) {
  for (int i = 0; i < 1000; i++) n = step(n);
  return n;
}

static void* work(void* calls) {
  double until = now() + seconds;
  long n = 0, done = 0;
  while (now() < until && done < most) {
    n = a_thousand(n);
    done += 1000;
  }
  *(long*)calls = done;
  return n == 0 ? NULL : calls;
}

int main(int argc, char** argv) {
  pthread_t other;
  long calls[2] = {0, 0};
  seconds = argc > 1 ? atof(argv[1]) : 1;
  most = argc > 2 ? atol(argv[2]) : (long)1e15;
  if (pthread_create(&other, NULL, work, &calls[0]) != 0) return 1;
  work(&calls[1]);
  pthread_join(other, NULL);
  printf("%ld\n", calls[0] + calls[1]);
  return 0;
}
