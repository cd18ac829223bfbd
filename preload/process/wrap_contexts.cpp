// ucontext: which memory is a coroutine's stack, and when a thread goes from one stack to another.
//
// A context is the place that its function was called from, so nothing of ours may lie on the stack
// when the real function runs: it is entered by a jump, with all registers as they were. That also
// serves makecontext, which reads arguments beyond the sixth from its caller's frame.
#include "hooks/calls/stacks.h"
#include "hooks/calls/unwind.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"

namespace telinject::program {

namespace {

// glibc's x86-64 ucontext_t in words: flags, link, the stack (sp, flags, size), the registers.
constexpr int kStackSp = 2, kStackBytes = 4, kSp = 20, kPc = 21;

// Above the return address that a switch leaves on the stack.
uintptr_t sp_in(const void* context) {
  return static_cast<const uintptr_t*>(context)[kSp];
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

#define TELINJECT_BEFORE(name)                                                    \
  extern "C" __attribute__((visibility("hidden"))) void* telinject_before_##name( \
      const void* context, const void* other, uintptr_t sp)

TELINJECT_BEFORE(makecontext) {
  (void)other;
  auto* words = static_cast<const uintptr_t*>(context);
  uintptr_t lo = words[kStackSp];
  if (tracing()) {
    Lane* lane = g_alive.mask != 0 ? t_hook.lane : nullptr;
    note_context_stack(lane, lo, lo + words[kStackBytes], sp);
  }
  return real_address(kReal_makecontext);
}

TELINJECT_BEFORE(swapcontext) {
  (void)context;
  note_switch(sp, sp_in(other));
  return real_address(kReal_swapcontext);
}

// Within a stack it leaves calls, as longjmp does.
TELINJECT_BEFORE(setcontext) {
  (void)other;
  if (!note_switch(sp, sp_in(context))) {
    auto* words = static_cast<const uintptr_t*>(context);
    note_unwind(UnwindKind::kLongjmp, nullptr, words[kSp], words[kPc], sp);
  }
  return real_address(kReal_setcontext);
}

// What comes before it gets the first two arguments and the caller's stack pointer, and returns the
// real function.
#define TELINJECT_JUMPED_TO(name)                 \
  TELINJECT_INTERPOSES(name);                     \
  __asm__(                                        \
      ".pushsection .text\n"                      \
      ".globl " #name                             \
      "\n"                                        \
      ".type " #name ", @function\n" #name        \
      ":\n"                                       \
      "  .cfi_startproc\n"                        \
      "  endbr64\n"                               \
      "  push %rdi\n  .cfi_adjust_cfa_offset 8\n" \
      "  push %rsi\n  .cfi_adjust_cfa_offset 8\n" \
      "  push %rdx\n  .cfi_adjust_cfa_offset 8\n" \
      "  push %rcx\n  .cfi_adjust_cfa_offset 8\n" \
      "  push %r8\n  .cfi_adjust_cfa_offset 8\n"  \
      "  push %r9\n  .cfi_adjust_cfa_offset 8\n"  \
      "  push %rax\n  .cfi_adjust_cfa_offset 8\n" \
      "  lea 64(%rsp), %rdx\n"                    \
      "  call telinject_before_" #name            \
      "\n"                                        \
      "  mov %rax, %r11\n"                        \
      "  pop %rax\n  .cfi_adjust_cfa_offset -8\n" \
      "  pop %r9\n  .cfi_adjust_cfa_offset -8\n"  \
      "  pop %r8\n  .cfi_adjust_cfa_offset -8\n"  \
      "  pop %rcx\n  .cfi_adjust_cfa_offset -8\n" \
      "  pop %rdx\n  .cfi_adjust_cfa_offset -8\n" \
      "  pop %rsi\n  .cfi_adjust_cfa_offset -8\n" \
      "  pop %rdi\n  .cfi_adjust_cfa_offset -8\n" \
      "  jmp *%r11\n"                             \
      "  .cfi_endproc\n"                          \
      ".size " #name ", .-" #name                 \
      "\n"                                        \
      ".popsection\n")

TELINJECT_JUMPED_TO(makecontext);
TELINJECT_JUMPED_TO(swapcontext);
TELINJECT_JUMPED_TO(setcontext);
