/* A program to be put where tracing is hard.
 *
 *     notice step...
 *
 * main is not instrumented and does the steps in order, so a step before `calls` comes before the
 * first event. It uses no heap and, after a sandbox is closed, no system call but write and exit.
 *
 *     calls N       N calls of work(), which is instrumented; prints their sum
 *     sleep N       N milliseconds
 *     in            the steps that follow happen inside of a call of inside(), which is
 * instrumented to FILE       what is printed goes there, by descriptor 200, and not to stdout fds
 * prints the open descriptors below 200 reap          waits until there is no child any more;
 * prints how many there were ids, cwd, env, args chroot DIR, setuid UID, rmdir DIR (of the working
 * directory), closefrom N strict        seccomp's strict mode kill, errno   a seccomp filter for
 * all but write, fork, exec, wait and exit: killed, or EPERM thread        the steps that follow
 * happen in a thread fork          the steps that follow happen in a child, which is waited for
 *     exec          the rest is a command to execute
 *     segv, term    dies of that signal
 *     pause         says "paused" and reads a byte from stdin
 *     status N      ends with it; the end of the steps is status 3
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAIN __attribute__((no_instrument_function))

extern char** environ;
static volatile long sum;
static int strict;
static int out = 1;

__attribute__((noinline)) void work(int i) {
  sum += i;
}

static PLAIN void say(const char* format, const char* text, long number) {
  char line[4096];
  int n = snprintf(line, sizeof line, format, text, number);
  if (n >= (int)sizeof line) n = sizeof line - 1;
  if (write(out, line, n) != n) return;
}

static PLAIN void show_fds(void) {
  char path[64], target[512];
  for (int fd = 0; fd < 200; fd++) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = 0;
    say("fd %2$ld %1$s\n", target, fd);
  }
}

/* Allows what the steps themselves need and nothing else. */
static PLAIN void filter(unsigned action) {
  static const int allowed[] = {
      SYS_write, SYS_exit,   SYS_exit_group,   SYS_rt_sigprocmask, SYS_set_robust_list, SYS_clone,
      SYS_wait4, SYS_execve, SYS_rt_sigreturn, SYS_rseq,           SYS_set_tid_address};
  enum { kCount = sizeof allowed / sizeof *allowed };
  struct sock_filter code[kCount + 3];
  code[0] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int i = 0; i < kCount; i++) {
    code[i + 1] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], kCount - i, 0);
  }
  code[kCount + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
  code[kCount + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    say("no filter: %s\n", strerror(errno), 0);
}

static PLAIN int steps(char** step);

static PLAIN void* in_thread(void* step) {
  return (void*)(long)steps(step);
}

__attribute__((noinline)) int inside(char** step) {
  int status = steps(step);
  sum += status;
  return status;
}

/* Does the steps; returns the status. */
static PLAIN int steps(char** step) {
  for (; *step != NULL; step++) {
    const char* name = *step;
    if (strcmp(name, "calls") == 0) {
      int n = atoi(*++step);
      for (int i = 1; i <= n; i++) work(i);
      say("%s %ld\n", "sum", sum);
    } else if (strcmp(name, "sleep") == 0) {
      usleep((useconds_t)atoi(*++step) * 1000); /* milliseconds */
    } else if (strcmp(name, "in") == 0) {
      return inside(step + 1);
    } else if (strcmp(name, "to") == 0) {
      int fd = open(*++step, O_WRONLY | O_CREAT | O_APPEND, 0600);
      out = dup2(fd, 200);
      close(fd);
    } else if (strcmp(name, "reap") == 0) {
      long count = 0;
      while (wait(NULL) > 0) count++;
      say("%s %ld\n", "reaped", count);
    } else if (strcmp(name, "fds") == 0) {
      show_fds();
    } else if (strcmp(name, "ids") == 0) {
      say("%s%ld", "ids ", getuid());
      say("%s%ld\n", " ", geteuid());
    } else if (strcmp(name, "cwd") == 0) {
      char path[4096];
      say("cwd %s\n", getcwd(path, sizeof path) != NULL ? path : strerror(errno), 0);
    } else if (strcmp(name, "env") == 0) {
      for (char** e = environ; *e != NULL; e++) say("%s\n", *e, 0);
    } else if (strcmp(name, "args") == 0) {
      unsigned long count = 0, bytes = 0;
      for (char** arg = step; *arg != NULL; arg++, count++) bytes += strlen(*arg);
      say("%s %ld\n", "arguments", count);
      say("%s %ld\n", "bytes", bytes);
      return 3;
    } else if (strcmp(name, "chroot") == 0) {
      if (chroot(*++step) != 0 || chdir("/") != 0) say("chroot: %s\n", strerror(errno), 0);
    } else if (strcmp(name, "setuid") == 0) {
      int id = atoi(*++step);
      if (setgid(id) != 0 || setuid(id) != 0) say("setuid: %s\n", strerror(errno), 0);
    } else if (strcmp(name, "rmdir") == 0) {
      if (rmdir(*++step) != 0) say("rmdir: %s\n", strerror(errno), 0);
    } else if (strcmp(name, "closefrom") == 0) {
      for (int fd = atoi(*++step); fd < 1024; fd++) close(fd);
    } else if (strcmp(name, "strict") == 0) {
      strict = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0;
      if (!strict) say("no strict mode\n", "", 0);
    } else if (strcmp(name, "kill") == 0) {
      filter(SECCOMP_RET_KILL_PROCESS);
    } else if (strcmp(name, "errno") == 0) {
      filter(SECCOMP_RET_ERRNO | EPERM);
    } else if (strcmp(name, "thread") == 0) {
      pthread_t thread;
      void* status = NULL;
      int error = pthread_create(&thread, NULL, in_thread, step + 1);
      if (error != 0) return say("no thread: %s\n", strerror(error), 0), 4;
      pthread_join(thread, &status);
      return (int)(long)status;
    } else if (strcmp(name, "fork") == 0) {
      pid_t child = fork();
      if (child < 0) return say("no child: %s\n", strerror(errno), 0), 4;
      if (child > 0) {
        int status = 0;
        waitpid(child, &status, 0);
        say("%s %ld\n", "child", status);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
    } else if (strcmp(name, "exec") == 0) {
      execvp(step[1], step + 1);
      say("exec: %s\n", strerror(errno), 0);
      return 127;
    } else if (strcmp(name, "segv") == 0) {
      raise(SIGSEGV);
    } else if (strcmp(name, "term") == 0) {
      raise(SIGTERM);
    } else if (strcmp(name, "pause") == 0) {
      char byte;
      say("%s\n", "paused", 0);
      if (read(0, &byte, 1) < 0) return 5;
    } else if (strcmp(name, "status") == 0) {
      return atoi(*++step);
    } else {
      say("no step %s\n", name, 0);
      return 2;
    }
  }
  return 3;
}

PLAIN int main(int argc, char** argv) {
  int status = steps(argv + (argc > 0));
  if (strict) syscall(SYS_exit, status); /* strict mode does not allow exit_group */
  return status;
}
