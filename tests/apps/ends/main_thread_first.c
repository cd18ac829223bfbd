/* The first thread leaves by pthread_exit; the process ends with the last one. */
#include <pthread.h>
#include <unistd.h>

#include "../calls.h"

static volatile int sink;
static pthread_t first;

NOINLINE static void after(void) {
  sink = 1;
}

static void* run(void* unused) {
  pthread_join(first, NULL);
  after();
  return unused;
}

NOINLINE static void leave(void) {
  pthread_exit(NULL);
}

int main(void) {
  pthread_t thread;
  first = pthread_self();
  pthread_create(&thread, NULL, run, NULL);
  leave();
}
