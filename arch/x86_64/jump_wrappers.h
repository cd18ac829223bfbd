// Wrappers of functions that cannot be called through, because they return through their caller's
// frame or look at their return address. Each macro defines the function `name`, which calls
// `telinject_before_<name>` and then jumps to the address that it returned, with registers and
// stack as they were at the call.
#pragma once

#define TELINJECT_ARCH_FUNCTION_BEGIN(name) \
  ".pushsection .text\n"                    \
  ".globl " #name                           \
  "\n"                                      \
  ".type " #name ", @function\n" #name      \
  ":\n"                                     \
  "  .cfi_startproc\n"                      \
  "  endbr64\n"
#define TELINJECT_ARCH_FUNCTION_END(name) \
  "  .cfi_endproc\n"                      \
  ".size " #name ", .-" #name             \
  "\n"                                    \
  ".popsection\n"
#define TELINJECT_ARCH_PUSH(reg) "  push %" #reg "\n  .cfi_adjust_cfa_offset 8\n"
#define TELINJECT_ARCH_POP(reg) "  pop %" #reg "\n  .cfi_adjust_cfa_offset -8\n"

// For a function without arguments: before(caller's stack pointer).
#define TELINJECT_ARCH_JUMP_0(name)                         \
  __asm__(TELINJECT_ARCH_FUNCTION_BEGIN(                    \
      name) "  lea 8(%rsp), %rdi\n"                         \
            "  sub $8, %rsp\n  .cfi_adjust_cfa_offset 8\n"  \
            "  call telinject_before_" #name                \
            "\n"                                            \
            "  add $8, %rsp\n  .cfi_adjust_cfa_offset -8\n" \
            "  jmp *%rax\n" TELINJECT_ARCH_FUNCTION_END(name))

// For a function of up to three arguments: before(caller's stack pointer, first, second as an int).
#define TELINJECT_ARCH_JUMP_3(name)                                                                                  \
  __asm__(TELINJECT_ARCH_FUNCTION_BEGIN(name) TELINJECT_ARCH_PUSH(rdi) TELINJECT_ARCH_PUSH(rsi) TELINJECT_ARCH_PUSH( \
      rdx) "  mov %esi, %edx\n"                                                                                      \
           "  mov %rdi, %rsi\n"                                                                                      \
           "  lea 32(%rsp), %rdi\n"                                                                                  \
           "  call telinject_before_" #name "\n" TELINJECT_ARCH_POP(rdx) TELINJECT_ARCH_POP(rsi)                     \
               TELINJECT_ARCH_POP(rdi) "  jmp *%rax\n" TELINJECT_ARCH_FUNCTION_END(name))

// For a function of any arguments, on the stack too: before(first, second, caller's stack pointer).
#define TELINJECT_ARCH_JUMP_ANY(name)                                                                                                                                                                                  \
  __asm__(TELINJECT_ARCH_FUNCTION_BEGIN(name) TELINJECT_ARCH_PUSH(rdi) TELINJECT_ARCH_PUSH(rsi) TELINJECT_ARCH_PUSH(rdx) TELINJECT_ARCH_PUSH(rcx) TELINJECT_ARCH_PUSH(r8) TELINJECT_ARCH_PUSH(r9) TELINJECT_ARCH_PUSH( \
      rax) "  lea 64(%rsp), %rdx\n"                                                                                                                                                                                    \
           "  call telinject_before_" #name                                                                                                                                                                            \
           "\n"                                                                                                                                                                                                        \
           "  mov %rax, %r11\n" TELINJECT_ARCH_POP(rax) TELINJECT_ARCH_POP(r9)                                                                                                                                         \
               TELINJECT_ARCH_POP(r8) TELINJECT_ARCH_POP(rcx) TELINJECT_ARCH_POP(rdx)                                                                                                                                  \
                   TELINJECT_ARCH_POP(rsi)                                                                                                                                                                             \
                       TELINJECT_ARCH_POP(rdi) "  jmp *%r11\n" TELINJECT_ARCH_FUNCTION_END(name))
