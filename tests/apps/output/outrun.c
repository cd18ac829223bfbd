/* outrun CALLS: makes that many calls of `step` while telrun's drain is stopped, then lets it go
 * on. outrun CALLS MILLISECONDS: lets it go on after so long, beside the calls.
 * outrun CALLS 0 CHILDREN: so many forked children make them, one after the other. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNSEEN __attribute__((no_instrument_function))

static int drain;
static long pause_ms;

UNSEEN static int find_drain(void) {
  DIR* processes = opendir("/proc");
  for (struct dirent* entry; (entry = readdir(processes)) != NULL;) {
    char path[300], name[64] = "";
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE* file = fopen(path, "r");
    if (file == NULL) continue;
    int pid = 0, parent = 0;
    int read = fscanf(file, "%d (%63[^)]) %*c %d", &pid, name, &parent);
    fclose(file);
    if (read == 3 && parent == getppid() && strncmp(name, "telinject-drain", 15) == 0) return pid;
  }
  exit(9);
}

UNSEEN static void* let_go(void* nothing) {
  usleep((unsigned)pause_ms * 1000);
  kill(drain, SIGCONT);
  return nothing;
}

static volatile long sum;

__attribute__((noinline)) void step(long n) {
  sum += n;
}

__attribute__((noinline)) void work(long calls) {
  for (long i = 0; i < calls; i++) step(i);
}

int main(int argc, char** argv) {
  long calls = atol(argv[1]);
  pause_ms = argc > 2 ? atol(argv[2]) : 0;
  drain = find_drain();
  kill(drain, SIGSTOP);
  pthread_t thread;
  if (pause_ms > 0) pthread_create(&thread, NULL, let_go, NULL);
  int children = argc > 3 ? atoi(argv[3]) : 0;
  for (int i = 0; i < children; i++) {
    if (fork() == 0) {
      work(calls);
      exit(0);
    }
    wait(NULL);
  }
  if (children == 0) work(calls);
  if (pause_ms > 0) pthread_join(thread, NULL);
  kill(drain, SIGCONT);
  return 0;
}
