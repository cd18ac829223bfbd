// What a signal handler finds: the interrupted code's registers; and how it returns.
#pragma once

#include <ucontext.h>

#include "arch/x86_64/registers.h"

namespace telinject::arch {

// The registers of the code that a signal interrupted.
inline Registers interrupted_registers(const ucontext_t* context) {
  constexpr int kOrder[kRegisters] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                      REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                      REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
  Registers registers;
  for (uint32_t i = 0; i < kRegisters; i++) {
    registers.value[i] = static_cast<uintptr_t>(context->uc_mcontext.gregs[kOrder[i]]);
  }
  return registers;
}

}  // namespace telinject::arch

// Defines a function that ends a signal handler: the sa_restorer that the kernel's sigaction wants.
#define TELINJECT_ARCH_SIGNAL_RETURN(name)                      \
  extern "C" __attribute__((visibility("hidden"))) void name(); \
  __asm__(".pushsection .text\n.hidden " #name "\n" #name       \
          ":\n"                                                 \
          "  mov $15, %eax\n" /* rt_sigreturn */                \
          "  syscall\n"                                         \
          ".popsection\n")
