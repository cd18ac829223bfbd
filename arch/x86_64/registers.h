// A function's registers by DWARF's numbers, and the thread pointer.
#pragma once

#include <cstdint>

namespace telinject::arch {

inline constexpr uint32_t kRsp = 7, kPc = 16;  // kPc: the return address
inline constexpr uint32_t kRegisters = 17;

struct Registers {
  uintptr_t value[kRegisters];
};

// The registers of the function that this is inlined into: those that a called function preserves,
// the stack pointer and the pc. The others are 0.
inline __attribute__((always_inline)) Registers current_registers() {
  Registers registers = {};
  __asm__ volatile(
      "movq %%rbx, 24(%0)\n\tmovq %%rbp, 48(%0)\n\tmovq %%rsp, 56(%0)\n\t"
      "movq %%r12, 96(%0)\n\tmovq %%r13, 104(%0)\n\tmovq %%r14, 112(%0)\n\tmovq %%r15, 120(%0)\n\t"
      "leaq 0(%%rip), %%rax\n\tmovq %%rax, 128(%0)"
      :
      : "r"(registers.value)
      : "rax", "memory");
  return registers;
}

// The thread pointer of the ABI: glibc's pthread_self(), at the upper end of the thread's stack.
inline uintptr_t thread_pointer() {
  uintptr_t pointer;
  __asm__("movq %%fs:0, %0" : "=r"(pointer));
  return pointer;
}

}  // namespace telinject::arch
