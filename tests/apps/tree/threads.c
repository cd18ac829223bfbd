/* Threads that call: many at once, or many more in turn.
 *
 * threads together|in-turn THREADS CALLS
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../calls.h"

COUNTED(work);
COUNTED(leaf);
COUNTED(run_thread);

static long calls;
static pthread_barrier_t all_there;

NOINLINE static void leaf(void) {
  CALLED(leaf);
}

NOINLINE static void work(void) {
  CALLED(work);
  leaf();
  leaf();
}

static void* run_thread(void* barrier) {
  CALLED(run_thread);
  if (barrier != NULL) pthread_barrier_wait(barrier);
  for (long i = 0; i < calls; i++) work();
  return NULL;
}

NOINLINE static void together(long count) {
  pthread_t threads[count];
  pthread_barrier_init(&all_there, NULL, (unsigned)count);
  for (long i = 0; i < count; i++) pthread_create(&threads[i], NULL, run_thread, &all_there);
  for (long i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

NOINLINE static void in_turn(long count) {
  for (long i = 0; i < count; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_thread, NULL) != 0) abort();
    pthread_join(thread, NULL);
  }
}

int main(int argc, char** argv) {
  calls = atol(argv[argc - 1]);
  if (strcmp(argv[1], "together") == 0) {
    together(atol(argv[2]));
    puts("together 1");
  } else {
    in_turn(atol(argv[2]));
    puts("in_turn 1");
  }
  TELL(run_thread);
  TELL(work);
  TELL(leaf);
  puts("main 1");
  return 0;
}
