// longjmp: tell the hooks where control goes, then go there.
//
// The wrappers are as async-signal-safe as what they wrap.
#include "arch/x86_64/saved_context.h"
#include "hooks/calls/unwind.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"

namespace telinject::program {

namespace {

void note_longjmp(const void* buffer, uintptr_t sp) {
  if (t_hook.lane == nullptr) return;
  arch::SavedPlace to = arch::place_in_jmp_buf(buffer);
  note_unwind(UnwindKind::kLongjmp, nullptr, to.sp, to.pc, sp);
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
