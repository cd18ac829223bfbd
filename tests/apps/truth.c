/* The log in which a generated program (tests/lib/teltest/generate.py) writes down its own calls.
 *
 * Compiled without instrumentation and linked into the program. Records of 16 bytes go to the file
 * named by TRUTH_FILE, in the order of the calls: a call's index is its place among the calls,
 * counted from 1; 0 is "no parent". For one thread; a program that crashes loses the last records.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { kCall = 1, kLeave = 2 };
typedef struct {
  int64_t index;  /* kCall: of the parent; kLeave: of the call that returns */
  int32_t number; /* kCall: of the function */
  int32_t kind;
} Record;

static Record records[65536];
static size_t used;
static long calls;
static int file = -1;

static void flush(void) {
  const char* p = (const char*)records;
  size_t left = used * sizeof(Record);
  while (file >= 0 && left > 0) {
    ssize_t done = write(file, p, left);
    if (done <= 0) abort();
    p += done;
    left -= (size_t)done;
  }
  used = 0;
}

__attribute__((constructor)) static void start(void) {
  const char* path = getenv("TRUTH_FILE");
  if (path != NULL) file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

__attribute__((destructor)) static void finish(void) {
  flush();
}

static void put(int64_t index, int32_t number, int32_t kind) {
  if (used == sizeof records / sizeof records[0]) flush();
  records[used].index = index;
  records[used].number = number;
  records[used].kind = kind;
  used++;
}

long gt_enter(long parent, int number) {
  put(parent, number, kCall);
  return ++calls;
}

void gt_leave(long me) {
  put(me, 0, kLeave);
}
