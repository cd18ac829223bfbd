/* The worst case: a program that does nothing but call. fib(N) makes 2 fib(N + 1) - 1 calls, in
 * each of the threads that the second argument asks for (1). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { kMostThreads = 64 };

__attribute__((noinline)) static int fib(int n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void* work(void* n) {
  return (void*)(long)fib((int)(long)n);
}

int main(int argc, char** argv) {
  int n = argc > 1 ? atoi(argv[1]) : 30;
  int threads = argc > 2 ? atoi(argv[2]) : 1;
  pthread_t others[kMostThreads];
  if (threads < 1 || threads > kMostThreads) return 2;
  for (int i = 1; i < threads; i++) {
    if (pthread_create(&others[i], NULL, work, (void*)(long)n) != 0) return 1;
  }
  printf("%d\n", fib(n));
  for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
  return 0;
}
