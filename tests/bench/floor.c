/* The least that a hook can do and still record a call: the yardstick of the benchmark. One variant
 * a build:
 *
 *     -DFLOOR_RECORD   read the TSC, store it and the function, 16 bytes, in a 1 MiB ring a thread;
 *                      what is older is overwritten, nobody reads it
 *     -DFLOOR_COUNT    count the calls and write the number to $FLOOR_COUNT_FILE at the end
 *     -DFLOOR_EMPTY    return at once
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define HOOK __attribute__((visibility("default"), no_instrument_function)) void
#define THREAD static __thread __attribute__((tls_model("initial-exec")))

#if defined(FLOOR_EMPTY)

HOOK __cyg_profile_func_enter(void* function, void* call_site) {}
HOOK __cyg_profile_func_exit(void* function, void* call_site) {}

#elif defined(FLOOR_COUNT)

static uint64_t calls; /* of one thread: the benchmark's programs have no other */

HOOK __cyg_profile_func_enter(void* function, void* call_site) {
  calls++;
}
HOOK __cyg_profile_func_exit(void* function, void* call_site) {}

__attribute__((destructor, no_instrument_function)) static void report(void) {
  FILE* file = fopen(getenv("FLOOR_COUNT_FILE"), "w");
  fprintf(file, "%llu\n", (unsigned long long)calls);
  fclose(file);
}

#elif defined(FLOOR_RECORD)

#define RING_BYTES (1u << 20)

struct record {
  uint64_t function_and_kind, ticks;
};

struct ring {
  struct record *next, *end, *start;
};

THREAD struct ring* ring;

__attribute__((noinline, cold, no_instrument_function)) static struct ring* new_ring(void) {
  int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  struct ring* made = mmap(NULL, sizeof *made, protection, flags, -1, 0);
  made->start = made->next = mmap(NULL, RING_BYTES, protection, flags, -1, 0);
  made->end = made->start + RING_BYTES / sizeof(struct record);
  return ring = made;
}

static inline __attribute__((always_inline, no_instrument_function)) void record(void* function,
                                                                                 uint64_t kind) {
  struct ring* own = ring;
  if (__builtin_expect(own == NULL, 0)) own = new_ring();
  struct record* slot = own->next;
  slot->ticks = __rdtsc();
  slot->function_and_kind = (uint64_t)function | kind << 63;
  own->next = ++slot;
  if (__builtin_expect(slot == own->end, 0)) own->next = own->start;
}

HOOK __cyg_profile_func_enter(void* function, void* call_site) {
  record(function, 0);
}
HOOK __cyg_profile_func_exit(void* function, void* call_site) {
  record(function, 1);
}

#else
#error "one of FLOOR_RECORD, FLOOR_COUNT, FLOOR_EMPTY"
#endif
