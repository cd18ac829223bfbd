// Exceptions, where the C++ runtime hands them to the unwinder: all that are thrown in a program
// come by here, whatever language and library they are from, also where libstdc++ is linked
// statically. (With a static libgcc nothing comes by.)
//
// pthread_cancel and pthread_exit unwind too, by _Unwind_ForcedUnwind: those are no errors.
#include "hooks/calls/unwind.h"
#include "hooks/errors/error_records.h"
#include "hooks/lane/services.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"

namespace telinject::program {

namespace {

// struct _Unwind_Exception of the Itanium C++ ABI.
struct UnwindHeader {
  uint64_t exception_class;
  void* cleanup;
  uintptr_t private_1, private_2;  // private_1: of a forced unwind, else 0
};

using Raise = int (*)(void*);

// libgcc's _Unwind_Resume_or_Rethrow goes on in _Unwind_RaiseException, by way of our wrapper.
bool within_unwinder(const void* caller) {
  return same_module(reinterpret_cast<uintptr_t>(caller),
                     reinterpret_cast<uintptr_t>(real_address(kReal__Unwind_RaiseException)));
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

// Returns only if there is no handler.
TELINJECT_WRAPPER(int, _Unwind_RaiseException, void* exception) {
  uintptr_t sp = TELINJECT_CALLER_SP();
  bool told = t_hook.lane == nullptr || within_unwinder(__builtin_return_address(0));
  if (!told) note_throw(exception, /*again=*/false, sp);
  int why = real<Raise>(kReal__Unwind_RaiseException)(exception);
  if (!told) note_unwind(UnwindKind::kNoHandler, exception, sp, 0, sp);
  return why;
}

// `throw;`, and a forced unwind that goes on behind a catch (...).
TELINJECT_WRAPPER(int, _Unwind_Resume_or_Rethrow, void* exception) {
  uintptr_t sp = TELINJECT_CALLER_SP();
  bool forced = static_cast<const UnwindHeader*>(exception)->private_1 != 0;
  if (!forced) note_throw(exception, /*again=*/true, sp);
  int why = real<Raise>(kReal__Unwind_Resume_or_Rethrow)(exception);
  if (!forced) note_unwind(UnwindKind::kNoHandler, exception, sp, 0, sp);
  return why;
}

// Personality routines call this: control goes to the frame in `context`, to a cleanup or a
// handler. The frame's CFA, as libgcc counts it, is the stack pointer at its call. Before this call
// they set two registers: the first holds the exception, the second is 0 for a cleanup.
TELINJECT_WRAPPER(void, _Unwind_SetIP, void* context, uintptr_t ip) {
  if (t_hook.lane != nullptr) {
    auto cfa = real<uintptr_t (*)(void*)>(kReal__Unwind_GetCFA);
    auto get = real<uintptr_t (*)(void*, int)>(kReal__Unwind_GetGR);
    if (cfa != nullptr && get != nullptr) {
      constexpr int kException = 0, kSelector = 1;  // __builtin_eh_return_data_regno()
      bool handler = get(context, kSelector) != 0;
      note_unwind(handler ? UnwindKind::kHandler : UnwindKind::kLandingPad,
                  reinterpret_cast<void*>(get(context, kException)), cfa(context), ip + 1,
                  TELINJECT_CALLER_SP());
    }
  }
  real<void (*)(void*, uintptr_t)>(kReal__Unwind_SetIP)(context, ip);
}

// `exception` points at the unwinder's header, which begins with the exception's class.
TELINJECT_WRAPPER(void*, __cxa_begin_catch, void* exception) {
  if (t_hook.lane != nullptr) {
    uintptr_t sp = TELINJECT_CALLER_SP();
    note_unwind(UnwindKind::kBeginCatch, exception, sp,
                reinterpret_cast<uintptr_t>(__builtin_return_address(0)), sp);
  }
  void* function = real_begin_catch(*static_cast<const uint64_t*>(exception));
  return reinterpret_cast<void* (*)(void*)>(function)(exception);
}
