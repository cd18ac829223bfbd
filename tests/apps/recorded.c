/* Something of everything for a recording: deep calls, a thread, a child that dies of a signal, a
 * child that executes, an exit from below. Prints nothing; ends with status 3. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int descend(int depth) {
  return depth == 0 ? 0 : 1 + descend(depth - 1);
}

static void* work(void* argument) {
  descend(5);
  return argument;
}

static void die(void) {
  raise(SIGKILL);
}

static void execute(void) {
  execl("/bin/true", "true", (char*)0);
  _exit(1);
}

static void in_child(void (*function)(void)) {
  pid_t child = fork();
  if (child == 0) {
    function();
    _exit(0);
  }
  while (waitpid(child, NULL, 0) < 0) {
  }
}

static void leave(void) {
  exit(3);
}

int main(void) {
  pthread_t thread;
  descend(1000);
  if (pthread_create(&thread, NULL, work, NULL) != 0) return 1;
  pthread_join(thread, NULL);
  in_child(die);
  in_child(execute);
  leave();
}
