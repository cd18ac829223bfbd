// The memory functions that compilers call on their own account. Hidden copies: libc's memcpy has a
// symbol version newer than the oldest glibc that must be able to load the library, and is chosen
// by an ifunc that may not have been relocated yet when the first hook runs.
#include <cstddef>

#include "arch/x86_64/memory.h"

extern "C" {

void* memcpy(void* to, const void* from, size_t bytes) {
  telinject::arch::copy_bytes(to, from, bytes);
  return to;
}

void* memset(void* to, int value, size_t bytes) {
  telinject::arch::fill_bytes(to, value, bytes);
  return to;
}

void* memmove(void* to, const void* from, size_t bytes) {
  if (to <= from || static_cast<const char*>(from) + bytes <= to) return memcpy(to, from, bytes);
  auto* t = static_cast<volatile char*>(to);
  auto* f = static_cast<const volatile char*>(from);
  while (bytes-- > 0) t[bytes] = f[bytes];
  return to;
}

}  // extern "C"
