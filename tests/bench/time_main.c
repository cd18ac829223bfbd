/* Linked into each program of the benchmark with -Wl,--wrap=main, and not instrumented: appends
 * what main() took, in nanoseconds, to $BENCH_TIME_FILE, the processor time of the process in it,
 * in nanoseconds, and the process's largest resident memory, in kB. So start-up and the writing of
 * a trace after the program's end are not in the figures. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern int __real_main(int argc, char** argv, char** environment);

/* Not getrusage's, which remembers what the process was before exec. */
__attribute__((no_instrument_function)) static long most_memory_kb(void) {
  char text[4096] = "";
  int file = open("/proc/self/status", O_RDONLY);
  if (file < 0) return 0;
  long size = read(file, text, sizeof text - 1);
  close(file);
  const char* line = size > 0 ? strstr(text, "VmHWM:") : NULL;
  return line == NULL ? 0 : atol(line + sizeof "VmHWM:" - 1);
}

__attribute__((no_instrument_function)) static long long ns_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

__attribute__((no_instrument_function)) int __wrap_main(int argc, char** argv, char** environment) {
  long long processor = ns_of(CLOCK_PROCESS_CPUTIME_ID), start = ns_of(CLOCK_MONOTONIC);
  int status = __real_main(argc, argv, environment);
  long long end = ns_of(CLOCK_MONOTONIC);
  processor = ns_of(CLOCK_PROCESS_CPUTIME_ID) - processor;
  const char* path = getenv("BENCH_TIME_FILE");
  int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (file >= 0) {
    dprintf(file, "%lld %lld %ld\n", end - start, processor, most_memory_kb());
    close(file);
  }
  return status;
}
