// The memory functions that compilers call on their own account. Hidden copies: libc's memcpy has a
// symbol version newer than the oldest glibc that must be able to load the library, and is chosen
// by an ifunc that may not have been relocated yet when the first hook runs.
#include <cstddef>

extern "C" {

void* memcpy(void* to, const void* from, size_t bytes) {
  void* result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return result;
}

void* memset(void* to, int value, size_t bytes) {
  void* result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
  return result;
}

void* memmove(void* to, const void* from, size_t bytes) {
  if (to <= from || static_cast<const char*>(from) + bytes <= to) return memcpy(to, from, bytes);
  auto* t = static_cast<volatile char*>(to);
  auto* f = static_cast<const volatile char*>(from);
  while (bytes-- > 0) t[bytes] = f[bytes];
  return to;
}

}  // extern "C"
