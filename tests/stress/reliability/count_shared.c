/* An independent count of calls that outlives a process that is killed.
 *
 * Preloaded before libtelinject.so, it defines the entry hook that instrumented code calls, adds
 * one to a number in the file that COUNT_SHARED_FILE names, which all processes map, and passes the
 * call on by a tail jump, as tests/apps/count_hook.c does. The file is made beforehand and holds 64
 * zero bytes.
 *
 * A thread that is killed between the count and the tracer's record has counted one call more than
 * the tracer can know of.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void Hook(void* function, void* call_site);

static _Atomic(uint64_t) nowhere;
static _Atomic(_Atomic(uint64_t)*) counter;
static _Atomic(Hook*) next_enter;

__attribute__((noinline, cold)) static Hook* resolve(void) {
  Hook* hook = (Hook*)dlsym(RTLD_NEXT, "__cyg_profile_func_enter");
  atomic_store(&next_enter, hook);
  return hook;
}

/* At the first call: constructors of other libraries may be instrumented, and come before ours. */
__attribute__((noinline, cold)) static _Atomic(uint64_t)* map_counter(void) {
  const char* path = getenv("COUNT_SHARED_FILE");
  int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
  void* memory = MAP_FAILED;
  if (fd >= 0) {
    memory = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
  }
  _Atomic(uint64_t)* found = memory != MAP_FAILED ? memory : &nowhere;
  atomic_store(&counter, found);
  return found;
}

__attribute__((constructor(101))) static void start(void) {
  resolve();
  if (atomic_load(&counter) == NULL) map_counter();
}

void __cyg_profile_func_enter(void* function, void* call_site) {
  _Atomic(uint64_t)* where = atomic_load_explicit(&counter, memory_order_relaxed);
  if (__builtin_expect(where == NULL, 0)) where = map_counter();
  atomic_fetch_add_explicit(where, 1, memory_order_relaxed);
  Hook* next = atomic_load_explicit(&next_enter, memory_order_relaxed);
  if (__builtin_expect(next == NULL, 0)) next = resolve();
  next(function, call_site);
}
