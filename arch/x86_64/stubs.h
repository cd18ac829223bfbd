// Entries of functions, told apart by where they call from (preload/real/stubs.h). They lie between
// telinject_stubs and telinject_stubs_end, those of one function one behind the other. All
// arguments are in registers; the frame keeps the stack aligned.
#pragma once

#define TELINJECT_ARCH_STUB_BYTES 32
#define TELINJECT_ARCH_STUBS_OF_FUNCTION 4

// Text of an assembly statement: begin, the functions, end.
#define TELINJECT_ARCH_STUBS_BEGIN                 \
  ".pushsection .text\n"                           \
  ".globl telinject_stubs, telinject_stubs_end\n"  \
  ".hidden telinject_stubs, telinject_stubs_end\n" \
  ".balign 32, 0xcc\n"                             \
  "telinject_stubs:\n"

#define TELINJECT_ARCH_STUBS(name)                \
  "  .rept 4\n"                                   \
  "  .balign 32, 0xcc\n"                          \
  "  .cfi_startproc\n"                            \
  "  endbr64\n"                                   \
  "  sub $8, %rsp\n  .cfi_adjust_cfa_offset 8\n"  \
  "  call " #name                                 \
  "\n"                                            \
  "  add $8, %rsp\n  .cfi_adjust_cfa_offset -8\n" \
  "  ret\n"                                       \
  "  .cfi_endproc\n"                              \
  "  .endr\n"

#define TELINJECT_ARCH_STUBS_END \
  "  .balign 32, 0xcc\n"         \
  "telinject_stubs_end:\n"       \
  ".popsection\n"
