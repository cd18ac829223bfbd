// longjmp and exceptions: tell the hooks where control goes, then go there.
//
// The wrappers are as async-signal-safe as what they wrap.
#include "hooks/unwind.h"
#include "preload/export.h"
#include "preload/resolve.h"

namespace telinject {

namespace {

// glibc's x86-64 jmp_buf: rbx, rbp, r12..r15, rsp, pc; rbp, rsp and pc are mangled with the
// thread's pointer guard (sysdeps/x86_64/jmpbuf-offsets.h).
constexpr int kJmpBufSp = 6, kJmpBufPc = 7;

uint64_t demangle(uint64_t value) {
  __asm__("rorq $17, %0\n\txorq %%fs:0x30, %0" : "+r"(value));
  return value;
}

void note_longjmp(const void* buffer, uintptr_t sp) {
  if (t_hook.lane == nullptr) return;
  auto* words = static_cast<const uint64_t*>(buffer);
  note_unwind(UnwindKind::kLongjmp, demangle(words[kJmpBufSp]), demangle(words[kJmpBufPc]), sp);
}

using Longjmp = void (*)(void*, int);

}  // namespace

}  // namespace telinject

using namespace telinject;

TELINJECT_WRAPPER(void, longjmp, void* buffer, int value) {
  note_longjmp(buffer, TELINJECT_CALLER_SP());
  real<Longjmp>(kReal_longjmp)(buffer, value);
}

TELINJECT_WRAPPER(void, _longjmp, void* buffer, int value) {
  note_longjmp(buffer, TELINJECT_CALLER_SP());
  real<Longjmp>(kReal__longjmp)(buffer, value);
}

TELINJECT_WRAPPER(void, siglongjmp, void* buffer, int value) {
  note_longjmp(buffer, TELINJECT_CALLER_SP());
  real<Longjmp>(kReal_siglongjmp)(buffer, value);
}

TELINJECT_WRAPPER(void, __longjmp_chk, void* buffer, int value) {
  note_longjmp(buffer, TELINJECT_CALLER_SP());
  real<Longjmp>(kReal___longjmp_chk)(buffer, value);
}

// Called by personality routines: the frame in `context` is the one that control goes to, to a
// cleanup or a handler. Its CFA, as libgcc counts, is the stack pointer at its call.
TELINJECT_WRAPPER(void, _Unwind_SetIP, void* context, uintptr_t ip) {
  if (t_hook.lane != nullptr) {
    if (auto cfa = real<uintptr_t (*)(void*)>(kReal__Unwind_GetCFA)) {
      note_unwind(UnwindKind::kLandingPad, cfa(context), ip + 1, TELINJECT_CALLER_SP());
    }
  }
  real<void (*)(void*, uintptr_t)>(kReal__Unwind_SetIP)(context, ip);
}

// `exception` points at the unwinder's header, which begins with the exception's class.
TELINJECT_WRAPPER(void*, __cxa_begin_catch, void* exception) {
  if (t_hook.lane != nullptr) {
    uintptr_t sp = TELINJECT_CALLER_SP();
    note_unwind(UnwindKind::kBeginCatch, sp,
                reinterpret_cast<uintptr_t>(__builtin_return_address(0)), sp);
  }
  void* function = real_begin_catch(*static_cast<const uint64_t*>(exception));
  return reinterpret_cast<void* (*)(void*)>(function)(exception);
}
