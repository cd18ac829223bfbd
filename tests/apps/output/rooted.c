/* rooted ROOTS CALLS: main, which is not traced, and a thread call `root` so often, each a trace of
 * its own; that calls middle, and that leaf CALLS times. One in ten is left by longjmp from below.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#define UNTRACED __attribute__((no_instrument_function))

static int roots, calls;

static int leaf(int n) {
  return n + 1;
}

static void thrower(jmp_buf* target) {
  longjmp(*target, 1);
}

static int middle(int n) {
  for (int i = 0; i < calls; i++) n = leaf(n);
  return n;
}

static int root(int n) {
  jmp_buf here;
  int result = middle(n);
  if (n % 10 == 0 && setjmp(here) == 0) thrower(&here);
  return result;
}

UNTRACED static void* work(void* result) {
  for (int i = 0; i < roots; i++) *(int*)result += root(i);
  return result;
}

UNTRACED int main(int argc, char** argv) {
  pthread_t other;
  int results[2] = {0, 0};
  roots = argc > 1 ? atoi(argv[1]) : 1;
  calls = argc > 2 ? atoi(argv[2]) : 1;
  if (pthread_create(&other, NULL, work, &results[0]) != 0) return 1;
  work(&results[1]);
  pthread_join(other, NULL);
  return results[0] == results[1] ? 0 : 1;
}
