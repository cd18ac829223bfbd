/* A program's own count of its calls, for its trace to be held against. */
#pragma once
#include <stdio.h>

#define NOINLINE __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))
#define UNTRACED __attribute__((no_instrument_function))

#define COUNTED(f) static long calls_of_##f
#define CALLED(f) __atomic_fetch_add(&calls_of_##f, 1, __ATOMIC_RELAXED)
#define TELL(f) printf("%s %ld\n", #f, __atomic_load_n(&calls_of_##f, __ATOMIC_RELAXED))
