#include "shim/cli/program_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/channel/environment.h"
#include "shim/channel/session.h"
#include "shim/channel/syscall.h"
#include "shim/channel/target.h"
#include "shim/cli/child.h"

namespace telinject {

namespace {

constexpr __itimer_which_t kTimers[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};

struct ProgramChild {
  const Program* program;
  char* const* envp;
  const Inherited* inherited;
  pid_t supervisor;
};

bool runs(const itimerval& timer) {
  return timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0;
}

int become_program(void* argument) {
  const ProgramChild& child = *static_cast<ProgramChild*>(argument);
  // If telrun is killed, the program's end could not be reported any more.
  sys::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (sys::call(SYS_getppid) != child.supervisor) return ECHILD;
  leave_supervision(*child.inherited);
  return execute(*child.program, child.envp);
}

}  // namespace

void enter_supervision(Inherited* out) {
  uint64_t all = ~uint64_t{0};
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, sys::arg(&all), sys::arg(&out->mask), sizeof all);
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &standard, &out->child_action);
  itimerval none = {};
  for (int i = 0; i < 3; i++) {
    getitimer(kTimers[i], &out->timers[i]);
    if (runs(out->timers[i])) setitimer(kTimers[i], &none, nullptr);
  }
}

void leave_supervision(const Inherited& inherited) {
  sigaction(SIGCHLD, &inherited.child_action, nullptr);
  for (int i = 0; i < 3; i++) {
    if (runs(inherited.timers[i])) setitimer(kTimers[i], &inherited.timers[i], nullptr);
  }
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, sys::arg(&inherited.mask), 0, sizeof inherited.mask);
}

char** program_environment(const char* path, const char* library, const char* session) {
  Target target = examine_target(AT_FDCWD, path);
  EnvironmentEdit edit = {};
  edit.library = library;
  edit.session = session;
  edit.preload = PreloadEdit::kAdd;
  edit.relax_asan = target.needs_asan;
  if (!accepts_preload(target)) {
    edit.preload = PreloadEdit::kRemove;
    edit.session = nullptr;
  }
  // The record in another session's segment that an outer trace left for us means nothing in ours.
  unsetenv(kParentVariable);
  size_t slots = edited_slots(environ), bytes = edited_text_bytes(environ, edit);
  char** out = static_cast<char**>(malloc(slots * sizeof(char*)));
  char* text = static_cast<char*>(malloc(bytes));
  if (out == nullptr || text == nullptr ||
      !edit_environment(environ, edit, out, slots, text, bytes)) {
    return nullptr;
  }
  return out;
}

pid_t start_program(const Program& program, char* const* envp, const Inherited& inherited,
                    int* error) {
  ProgramChild child = {&program, envp, &inherited, getpid()};
  pid_t pid = start_child(become_program, &child, error);
  if (pid < 0 || *error == 0) return pid;
  waitpid(pid, nullptr, 0);
  return 0;
}

}  // namespace telinject
