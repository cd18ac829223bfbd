// System calls by the processor's instruction: no errno, no cancellation point, no wrapper of libc.
// Async-signal-safe.
#pragma once

#include <sys/syscall.h>

#include <cstdint>

#if !defined(__x86_64__) || !defined(__linux__)
#error "telinject supports x86-64 Linux only: the hooks read the TSC and glibc's x86-64 jmp_buf"
#endif

namespace telinject::arch {

// Returns what the kernel returns: an error is -errno.
inline long system_call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

// clone(2) with a function for the child, which runs on its own stack and ends with what the
// function returns. `stack_end` is the address above that stack. Returns the child's pid, or
// -errno.
inline __attribute__((noinline)) long clone_and_call(int (*function)(void*), void* argument,
                                                     char* stack_end, unsigned long flags) {
  auto top = reinterpret_cast<uintptr_t>(stack_end) & ~uintptr_t{15};
  auto* slots = reinterpret_cast<void**>(top) - 2;
  slots[0] = reinterpret_cast<void*>(function);
  slots[1] = argument;
  long result;
  register long r10 __asm__("r10") = 0;
  register long r8 __asm__("r8") = 0;
  __asm__ volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xorl %%ebp, %%ebp\n\t"
      "popq %%rax\n\t"
      "popq %%rdi\n\t"
      "call *%%rax\n\t"
      "movl %%eax, %%edi\n\t"
      "movl %[exit], %%eax\n\t"
      "syscall\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone), "D"(flags), "S"(slots), "d"(0L), "r"(r10), "r"(r8), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory");
  return result;
}

}  // namespace telinject::arch
