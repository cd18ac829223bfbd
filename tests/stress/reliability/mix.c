/* mix THREADS CHILDREN ROUNDS: calls from threads, from forked children that end in different ways,
 * out of signal handlers and past longjmp. Prints what does not depend on the order. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t handled;
static int rounds;

__attribute__((noinline)) static int leaf(int n) {
  return n % 7;
}

__attribute__((noinline)) static int deep(int n) {
  return n <= 0 ? leaf(n) : deep(n - 1) + leaf(n);
}

__attribute__((noinline)) static void jump(jmp_buf back, int n) {
  if (leaf(n) == 3) longjmp(back, 1);
}

__attribute__((noinline)) static long work(int count) {
  volatile long sum = 0;
  for (volatile int i = 0; i < count; i++) {
    jmp_buf back;
    if (setjmp(back) == 0) {
      jump(back, i);
      sum += deep(i % 9);
    }
  }
  return sum;
}

static void handler(int number) {
  handled += leaf(number) >= 0;
}

static void* thread(void* argument) {
  long* result = argument;
  *result = work(rounds);
  return NULL;
}

static void child(int number) {
  long sum = work(rounds / 10 + number);
  if (number % 3 == 1) _exit((int)(sum % 50));
  if (number % 3 == 2) execl("/bin/sh", "sh", "-c", "exit 7", (char*)NULL);
  exit((int)(sum % 40));
}

int main(int argc, char** argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 2, children = argc > 2 ? atoi(argv[2]) : 2;
  rounds = argc > 3 ? atoi(argv[3]) : 100;
  signal(SIGUSR1, handler);
  pthread_t ids[64];
  long sums[64] = {0}, statuses = 0;
  if (threads > 64) threads = 64;
  for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, thread, &sums[i]);
  for (int i = 0; i < children; i++) {
    pid_t pid = fork();
    if (pid == 0) child(i);
    raise(SIGUSR1);
  }
  for (int i = 0; i < children; i++) {
    int status = 0;
    if (wait(&status) > 0) statuses += status;
  }
  long sum = 0;
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], NULL);
    sum += sums[i];
  }
  printf("%ld %ld %d\n", sum, statuses, (int)handled);
  return 5;
}
