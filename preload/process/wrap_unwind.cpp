// longjmp: tell the hooks where control goes, then go there.
//
// The wrappers are as async-signal-safe as what they wrap.
#include "hooks/calls/unwind.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"

namespace telinject::program {

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
  note_unwind(UnwindKind::kLongjmp, nullptr, demangle(words[kJmpBufSp]), demangle(words[kJmpBufPc]),
              sp);
}

using Longjmp = void (*)(void*, int);

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

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
