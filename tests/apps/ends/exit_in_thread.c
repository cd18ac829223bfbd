/* exit() is called by another thread than the first, whose calls never return either. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "../calls.h"

static volatile int sink;
static sem_t waiting;

NOINLINE static void after(void) {
  sink = 1;
}

NOINLINE static void leave(void) {
  after();
  exit(5);
}

static void* run(void* unused) {
  sem_wait(&waiting);
  leave();
  return unused;
}

NOINLINE static void wait_for_it(void) {
  sem_post(&waiting);
  for (;;) pause();
}

int main(void) {
  pthread_t thread;
  sem_init(&waiting, 0, 0);
  pthread_create(&thread, NULL, run, NULL);
  wait_for_it();
}
