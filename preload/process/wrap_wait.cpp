// The wait functions: how a forked child ended.
//
// A child that dies as soon as it was born, and is waited for, is gone before the drain has heard
// of it: only who waited knows its status. (Of an executed program the drain is given a pidfd.)
//
// Async-signal-safe as the functions themselves; errno is theirs.
#include <signal.h>
#include <sys/wait.h>

#include "hooks/calls/unwind.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"

struct rusage;

namespace telinject::program {

namespace {

void note_end(int pid, int status, uintptr_t sp) {
  if (pid <= 0 || !tracing() || !(WIFEXITED(status) || WIFSIGNALED(status))) return;
  note_event(ControlKind::kChildEnded,
             static_cast<uint64_t>(pid) << 16 | (static_cast<uint64_t>(status) & 0xffff), sp);
}

// As wait(2) has it, of what waitid(2) tells; -1 if the child has not ended.
int wait_status(const siginfo_t& info) {
  switch (info.si_code) {
    case CLD_EXITED:
      return (info.si_status & 0xff) << 8;
    case CLD_KILLED:
      return info.si_status;
    case CLD_DUMPED:
      return info.si_status | 0x80;
    default:
      return -1;
  }
}

// A caller that does not want the status gets none, but we do.
template <typename Function, typename... Rest>
int wait_with(RealSymbol symbol, uintptr_t sp, int pid, int* status, Rest... rest) {
  int own = 0;
  int* place = status != nullptr ? status : &own;
  int result = real<Function>(symbol)(pid, place, rest...);
  if (result > 0) note_end(result, *place, sp);
  return result;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, wait, int* status) {
  int own = 0;
  int* place = status != nullptr ? status : &own;
  int result = real<int (*)(int*)>(kReal_wait)(place);
  if (result > 0) note_end(result, *place, TELINJECT_CALLER_SP());
  return result;
}

TELINJECT_WRAPPER(int, waitpid, int pid, int* status, int options) {
  return wait_with<int (*)(int, int*, int)>(kReal_waitpid, TELINJECT_CALLER_SP(), pid, status,
                                            options);
}

TELINJECT_WRAPPER(int, wait3, int* status, int options, rusage* usage) {
  int own = 0;
  int* place = status != nullptr ? status : &own;
  int result = real<int (*)(int*, int, rusage*)>(kReal_wait3)(place, options, usage);
  if (result > 0) note_end(result, *place, TELINJECT_CALLER_SP());
  return result;
}

TELINJECT_WRAPPER(int, wait4, int pid, int* status, int options, rusage* usage) {
  return wait_with<int (*)(int, int*, int, rusage*)>(kReal_wait4, TELINJECT_CALLER_SP(), pid,
                                                     status, options, usage);
}

TELINJECT_WRAPPER(int, waitid, int type, unsigned id, siginfo_t* info, int options) {
  siginfo_t own = {};
  siginfo_t* place = info != nullptr ? info : &own;
  int result =
      real<int (*)(int, unsigned, siginfo_t*, int)>(kReal_waitid)(type, id, place, options);
  if (result == 0 && (options & WNOWAIT) == 0 && place->si_signo == SIGCHLD) {
    int status = wait_status(*place);
    if (status >= 0) note_end(place->si_pid, status, TELINJECT_CALLER_SP());
  }
  return result;
}
