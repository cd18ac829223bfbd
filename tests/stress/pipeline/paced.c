/* paced CALLS-PER-SECOND SECONDS: two threads that make so many calls together, a hundred at a time
 * in a call that is the root of a trace, and sleep in between. Prints calls, processor time in ns,
 * the most that a thread was late in ns, and how often it was later than 10 ms. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOT_TRACED __attribute__((no_instrument_function))
enum { kCalls = 100, kThreads = 2, kSecond = 1000000000, kLate = 10000000 };

static long slots, slot_ns;

typedef struct {
  long worst, late, result;
} Seen;

static long step(long n) {
  return n * 7 + 1;
}

static long slot(long n) {
  for (int i = 0; i < kCalls - 1; i++) n = step(n);
  return n;
}

NOT_TRACED static long ns_of(struct timespec time) {
  return time.tv_sec * kSecond + time.tv_nsec;
}

NOT_TRACED static void* work(void* into) {
  Seen* seen = into;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  long start = ns_of(now);
  for (long i = 0; i < slots; i++) {
    long due = start + i * slot_ns;
    struct timespec until = {due / kSecond, due % kSecond};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    seen->result = slot(seen->result);
    clock_gettime(CLOCK_MONOTONIC, &now);
    long late = ns_of(now) - due;
    if (late > seen->worst) seen->worst = late;
    if (late > kLate) seen->late++;
  }
  return NULL;
}

NOT_TRACED int main(int argc, char** argv) {
  if (argc != 3) return 2;
  slot_ns = (long)(1e9 * kCalls * kThreads / atof(argv[1]));
  slots = (long)(atof(argv[2]) * 1e9 / (double)slot_ns);
  pthread_t other;
  Seen seen[kThreads] = {{0}};
  if (pthread_create(&other, NULL, work, &seen[0]) != 0) return 1;
  work(&seen[1]);
  pthread_join(other, NULL);
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  long worst = seen[0].worst > seen[1].worst ? seen[0].worst : seen[1].worst;
  printf("%ld %ld %ld %ld\n", slots * kCalls * kThreads, ns_of(used), worst,
         seen[0].late + seen[1].late);
  return 0;
}
