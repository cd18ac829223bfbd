/* The ways a thread ends: return, pthread_exit and cancellation within calls, all of the process.
 */
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "../calls.h"

static volatile int sink;
static sem_t waiting;

NOINLINE static void after(void) {
  sink = 1;
}

static void tidy(void* unused) {
  (void)unused;
  after();
}

NOINLINE static void leave(void) {
  pthread_exit(NULL);
  after();
}

NOINLINE static void stay(void) {
  sem_post(&waiting);
  for (;;) pause();
}

NOINLINE static void with_cleanup(void (*function)(void)) {
  pthread_cleanup_push(tidy, NULL);
  function();
  pthread_cleanup_pop(0);
  after();
}

static void* returning(void* unused) {
  after();
  return unused;
}

static void* exiting(void* unused) {
  after();
  leave();
  return unused;
}

static void* exiting_with_cleanup(void* unused) {
  with_cleanup(leave);
  return unused;
}

static void* cancelled(void* unused) {
  after();
  stay();
  return unused;
}

static void* cancelled_with_cleanup(void* unused) {
  with_cleanup(stay);
  return unused;
}

/* Cancelled while it makes no system call and no call of ours. */
static void* cancelled_at_once(void* unused) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  sem_post(&waiting);
  for (;;) sink = 2;
  return unused;
}

static void* left_behind(void* unused) {
  stay();
  return unused;
}

UNTRACED static void run(void* (*function)(void*), int cancel) {
  pthread_t thread;
  pthread_create(&thread, NULL, function, NULL);
  if (cancel) {
    sem_wait(&waiting);
    pthread_cancel(thread);
  }
  pthread_join(thread, NULL);
}

int main(void) {
  sem_init(&waiting, 0, 0);
  run(returning, 0);
  run(exiting, 0);
  run(exiting_with_cleanup, 0);
  run(cancelled, 1);
  run(cancelled_with_cleanup, 1);
  run(cancelled_at_once, 1);
  pthread_t thread;
  pthread_create(&thread, NULL, left_behind, NULL);
  sem_wait(&waiting);
  return 0;
}
