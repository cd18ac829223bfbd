// Sandboxes: once a program installs a seccomp filter, the hooks make no system call any more, for
// the filter may kill for it; in strict mode even reading the TSC is forbidden, and tracing ends.
//
// prctl and syscall are variadic; on x86-64 their arguments are in registers, so passing on six
// passes on all.
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "hooks/state.h"
#include "preload/export.h"
#include "preload/resolve.h"
#include "preload/startup.h"
#include "shim/channel/syscall.h"

namespace telinject {

namespace {

constexpr long kTscForbidden = 2;  // PR_TSC_SIGSEGV

void stop_system_calls() {
  if (!tracing()) return;
  g_process.restricted.store(1);
  g_process.segment->no_doorbell.store(1);
}

void stop_tracing() {
  if (!tracing()) return;
  stop_system_calls();
  g_process.state.store(ProcessState::kOff);
  g_alive.mask = 0;
}

void before_seccomp(long mode_is_strict) {
  if (mode_is_strict != 0) {
    stop_tracing();
  } else {
    stop_system_calls();
  }
}

void before_prctl(long option, long argument) {
  if (option == PR_SET_SECCOMP) before_seccomp(argument == SECCOMP_MODE_STRICT);
  if (option == PR_SET_TSC && argument == kTscForbidden) stop_tracing();
}

}  // namespace

}  // namespace telinject

using namespace telinject;

TELINJECT_WRAPPER(int, prctl, long option, long a, long b, long c, long d) {
  before_prctl(static_cast<int>(option), a);
  return real<int (*)(long, long, long, long, long)>(kReal_prctl)(option, a, b, c, d);
}

TELINJECT_WRAPPER(int, seccomp, long operation, long flags, void* argument) {
  if (operation == SECCOMP_SET_MODE_STRICT || operation == SECCOMP_SET_MODE_FILTER) {
    before_seccomp(operation == SECCOMP_SET_MODE_STRICT);
  }
  return real<int (*)(long, long, void*)>(kReal_seccomp)(operation, flags, argument);
}

TELINJECT_WRAPPER(long, syscall, long number, long a, long b, long c, long d, long e, long f) {
  if (number == SYS_prctl) before_prctl(static_cast<int>(a), b);
  if (number == SYS_seccomp && (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER)) {
    before_seccomp(a == SECCOMP_SET_MODE_STRICT);
  }
  using Function = long (*)(long, long, long, long, long, long, long);
  return real<Function>(kReal_syscall)(number, a, b, c, d, e, f);
}
