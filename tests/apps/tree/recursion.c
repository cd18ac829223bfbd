/* Recursion as deep as its argument says, through two functions in turn, on a stack that can take
 * it. */
#include <pthread.h>
#include <stdlib.h>

#include "../calls.h"

COUNTED(even);
COUNTED(odd);

static long odd(long n);

NOINLINE static long even(long n) {
  CALLED(even);
  return n == 0 ? 0 : odd(n - 1) + 1;
}

NOINLINE static long odd(long n) {
  CALLED(odd);
  return n == 0 ? 0 : even(n - 1) + 1;
}

static void* dive(void* depth) {
  printf("dive %d\n", even((long)depth) == (long)depth);
  return NULL;
}

int main(int argc, char** argv) {
  (void)argc;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (size_t)256 << 20);
  pthread_t thread;
  pthread_create(&thread, &attributes, dive, (void*)atol(argv[1]));
  pthread_join(thread, NULL);
  TELL(even);
  TELL(odd);
  puts("main 1");
  return 0;
}
