/* Calls before and after a program restricts itself, or tries to.
 *
 * restricted WAY
 *
 * Prints how many calls of work() it has made before, and after.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../calls.h"

enum { kCalls = 10 };

static volatile int sink;
static volatile int* volatile nowhere;

NOINLINE static void work(void) {
  sink = 1;
}

NOINLINE static void before(void) {
  for (int i = 0; i < kCalls; i++) work();
}

NOINLINE static void* after(void* unused) {
  for (int i = 0; i < kCalls; i++) work();
  return unused;
}

UNTRACED static int fails(long result, const char* what) {
  if (result >= 0) printf("%s has not failed\n", what);
  return result < 0;
}

/* A filter that lets all pass, or none be installed: flags that do not exist. */
UNTRACED static long filter(unsigned flags) {
  struct sock_filter rules[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {1, rules};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* A filter that kills for all but what the end of a program needs. */
UNTRACED static long narrow_filter(void) {
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

UNTRACED static void in_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, after, NULL);
  pthread_join(thread, NULL);
}

UNTRACED static void in_child(void) {
  if (fork() == 0) {
    after(NULL);
    _exit(0);
  }
  wait(NULL);
}

UNTRACED static void restrict_by(const char* way) {
  if (strcmp(way, "probes") == 0) {
    /* As libseccomp does, and whoever has no privilege. */
    fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL), "strict with flags");
    fails(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL), "no filter");
    fails(filter(1u << 30), "a filter with flags");
    fails(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL), "no filter by prctl");
    fails(prctl(PR_SET_SECCOMP, 77, NULL), "a mode");
    fails(prctl(PR_SET_TSC, 77), "a mode of the clock");
    fails(syscall(SYS_prctl, PR_SET_TSC, 77), "a mode of the clock by number");
  }
  if (strcmp(way, "filter") == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (filter(0) != 0) puts("no filter");
  }
  if (strcmp(way, "narrow") == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (narrow_filter() != 0) _exit(9);
  }
  if (strncmp(way, "strict", 6) == 0) prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
  if (strncmp(way, "clock", 5) == 0) prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
}

int main(int argc, char** argv) {
  const char* way = argc > 1 ? argv[1] : "";
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  setvbuf(stdout, NULL, _IONBF, 0);
  before();
  restrict_by(way);
  if (strcmp(way, "clock-thread") == 0) in_thread();
  if (strcmp(way, "clock-child") == 0) in_child();
  after(NULL);
  if (strcmp(way, "clock-and-back") == 0) {
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    after(NULL);
  }
  if (strcmp(way, "strict-crash") == 0) *nowhere = 1;
  if (strcmp(way, "strict") == 0) syscall(SYS_exit, 0);
  if (strcmp(way, "narrow") == 0) syscall(SYS_exit_group, 0);
  return 0;
}
