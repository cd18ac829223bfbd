/* The least that a hook can do and still record a call: the yardstick of the benchmark. One variant
 * a build:
 *
 *     -DFLOOR_RECORD   read the TSC, store it and the function, 16 bytes, in a 1 MiB ring a thread;
 *                      what is older is overwritten, nobody reads it
 *     -DFLOOR_WIDE     as FLOOR_RECORD, but 32 bytes for an entry (call site, frame and return
 *                      address, too): as many as telinject stores
 *     -DFLOOR_READ     as FLOOR_RECORD, and nothing is lost: a thread on another core copies the
 *                      records to memory that it has touched before, and clears their places, as a
 *                      tracer's has to
 *     -DFLOOR_COUNT    count the calls and write the number to $FLOOR_COUNT_FILE at the end
 *     -DFLOOR_EMPTY    return at once
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
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

#elif defined(FLOOR_RECORD) || defined(FLOOR_WIDE) || defined(FLOOR_READ)

#define RING_BYTES (1u << 20)

struct record {
  uint64_t function_and_kind, ticks;
};

struct ring {
  struct record *next, *end, *start;
};

THREAD struct ring* ring;

__attribute__((no_instrument_function)) static struct record* new_memory(size_t bytes) {
  return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
              0);
}

#ifdef FLOOR_READ

/* The ring is given back to the hook in parts. */
#define PARTS 16
#define PART (RING_BYTES / PARTS / sizeof(struct record))
#define TAKEN_BYTES (64u << 20)
#define NAP_NS 50000

/* Of the one thread that the benchmark's programs have. */
static struct record* written; /* the ring */
static atomic_ulong parts_free;
static unsigned long parts_used;

__attribute__((no_instrument_function)) static void* take_records(void* ready) {
  cpu_set_t others;
  sched_getaffinity(0, sizeof others, &others);
  CPU_CLR(atomic_load((atomic_int*)ready), &others);
  if (CPU_COUNT(&others) > 0) sched_setaffinity(0, sizeof others, &others);
  struct record *taken = new_memory(TAKEN_BYTES), *end = taken + TAKEN_BYTES / sizeof *taken,
                *to = taken;
  unsigned long read = 0, places = PARTS * PART;
  atomic_store((atomic_int*)ready, -1);
  for (;;) {
    unsigned long from = read % places, until = from;
    while (until < places && *(volatile uint64_t*)&written[until].ticks != 0) until++;
    if (to + (until - from) > end) to = taken;
    memcpy(to, written + from, (until - from) * sizeof *to);
    memset(written + from, 0, (until - from) * sizeof *to);
    to += until - from;
    read += until - from;
    atomic_store(&parts_free, PARTS + read / PART);
    struct timespec nap = {0, NAP_NS};
    if (until < places) nanosleep(&nap, NULL);
  }
  return NULL;
}

#endif

__attribute__((noinline, cold, no_instrument_function)) static struct ring* new_ring(void) {
  struct ring* made = (struct ring*)new_memory(sizeof *made);
  made->start = made->next = new_memory(RING_BYTES);
  made->end = made->start + RING_BYTES / sizeof(struct record);
#ifdef FLOOR_WIDE
  made->end--; /* its last entry may take two */
#endif
#ifdef FLOOR_READ
  static atomic_int core;
  cpu_set_t own, all;
  sched_getaffinity(0, sizeof own, &own);
  memset(&all, 0xff, sizeof all);
  atomic_store(&core, sched_getcpu());
  sched_setaffinity(0, sizeof all, &all); /* which the reader inherits */
  written = made->start;
  made->end = made->start + PART;
  parts_used = 1;
  pthread_t reader;
  if (pthread_create(&reader, NULL, take_records, &core) != 0) abort();
  sched_setaffinity(0, sizeof own, &own);
  while (atomic_load(&core) != -1) _mm_pause();
#endif
  return ring = made;
}

/* At `end`: to the next part of the ring, or to its start. */
__attribute__((noinline, cold, no_instrument_function)) static void go_on(struct ring* own) {
#ifdef FLOOR_READ
  while (parts_used == atomic_load(&parts_free)) _mm_pause();
  unsigned long part = parts_used++ % PARTS;
  own->next = own->start + part * PART;
  own->end = own->next + PART;
#else
  own->next = own->start;
#endif
}

/* The call site is of an entry that stores more. */
static inline __attribute__((always_inline, no_instrument_function)) void record(void* function,
                                                                                 uint64_t kind,
                                                                                 void* call_site) {
  struct ring* own = ring;
  if (__builtin_expect(own == NULL, 0)) own = new_ring();
  struct record* slot = own->next;
  uint64_t ticks = __rdtsc();
  slot->function_and_kind = (uint64_t)function | kind << 63;
  slot->ticks = ticks;
#ifdef FLOOR_WIDE
  if (call_site != NULL) {
    slot++;
    slot->function_and_kind = (uint64_t)call_site;
    slot->ticks = (uint32_t)(uint64_t)__builtin_frame_address(0) |
                  (uint64_t)__builtin_return_address(0) << 32;
  }
  own->next = ++slot;
  if (__builtin_expect(slot >= own->end, 0)) go_on(own);
#else
  own->next = ++slot;
  if (__builtin_expect(slot == own->end, 0)) go_on(own);
#endif
}

#ifdef FLOOR_READ
/* Before main, whose time is taken. */
__attribute__((constructor, no_instrument_function)) static void start(void) {
  new_ring();
}
#endif

HOOK __cyg_profile_func_enter(void* function, void* call_site) {
  record(function, 0, call_site);
}
HOOK __cyg_profile_func_exit(void* function, void* call_site) {
  record(function, 1, NULL);
}

#else
#error "one of FLOOR_RECORD, FLOOR_WIDE, FLOOR_READ, FLOOR_COUNT, FLOOR_EMPTY"
#endif
