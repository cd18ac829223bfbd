// Where a saved context of glibc continues: the stack pointer and the pc in a jmp_buf or
// ucontext_t.
#pragma once

#include <cstdint>

namespace telinject::arch {

struct SavedPlace {
  uintptr_t sp, pc;
};

// glibc's jmp_buf: rbx, rbp, r12..r15, rsp, pc; rbp, rsp and pc are mangled with the thread's
// pointer guard (sysdeps/x86_64/jmpbuf-offsets.h).
inline SavedPlace place_in_jmp_buf(const void* buffer) {
  constexpr int kSp = 6, kPc = 7;
  auto demangled = [](uintptr_t value) {
    __asm__("rorq $17, %0\n\txorq %%fs:0x30, %0" : "+r"(value));
    return value;
  };
  auto* words = static_cast<const uintptr_t*>(buffer);
  return {demangled(words[kSp]), demangled(words[kPc])};
}

// glibc's ucontext_t in words: flags, link, the stack (sp, flags, size), the registers. The stack
// pointer is above the return address that a switch leaves on the stack.
inline SavedPlace place_in_context(const void* context) {
  constexpr int kSp = 20, kPc = 21;
  auto* words = static_cast<const uintptr_t*>(context);
  return {words[kSp], words[kPc]};
}

struct SavedStack {
  uintptr_t start, end;
};

// The memory that the context was given as its stack (uc_stack).
inline SavedStack stack_in_context(const void* context) {
  constexpr int kStart = 2, kBytes = 4;
  auto* words = static_cast<const uintptr_t*>(context);
  return {words[kStart], words[kStart] + words[kBytes]};
}

}  // namespace telinject::arch
