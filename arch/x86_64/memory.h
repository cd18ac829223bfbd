// Copies and fills memory without libc, whose functions may not be relocated yet.
#pragma once

#include <cstddef>

namespace telinject::arch {

inline void copy_bytes(void* to, const void* from, size_t bytes) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

inline void fill_bytes(void* to, int value, size_t bytes) {
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
}

}  // namespace telinject::arch
