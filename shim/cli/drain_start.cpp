#include "shim/cli/drain_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/channel/control.h"
#include "shim/channel/environment.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"
#include "shim/cli/child.h"

namespace telinject {

namespace {

constexpr int kFirstFree = kDrainOutputFd + 1;
constexpr int kSignals = 64;

struct DrainChild {
  const char* file;
  char* const* argv;
  char* const* envp;
  int null, control, path_listener, abstract_listener, output;  // all >= kFirstFree, or -1
};

void put_at(int fd, int target) {
  if (fd >= 0) {
    sys::call(SYS_dup2, fd, target);
  } else {
    sys::close(target);
  }
}

int become_drain(void* argument) {
  const DrainChild& child = *static_cast<DrainChild*>(argument);
  // Out of the program's session: no terminal, no signals to its group, no hangup.
  sys::call(SYS_setsid);
  put_at(child.null, STDIN_FILENO);
  put_at(child.null, STDOUT_FILENO);
  // A stderr that was closed is /dev/null here, which must not be left to be closed by exec: the
  // next file that the drain opens would become its stderr.
  sys::call(SYS_fcntl, STDERR_FILENO, F_SETFD, 0);
  put_at(child.control, kDrainControlFd);
  put_at(child.path_listener, kDrainListenFd);
  put_at(child.abstract_listener, kDrainAbstractFd);
  put_at(-1, kDrainPidfdFd);
  put_at(child.output, kDrainOutputFd);
  close_range_of(kFirstFree);
  // Ignored signals outlive exec; so does the mask, which is cleared last.
  struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    uint64_t mask;
  } action = {nullptr, 0, nullptr, 0};
  for (int s = 1; s <= kSignals; s++) sys::call(SYS_rt_sigaction, s, sys::arg(&action), 0, 8);
  uint64_t none = 0;
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, sys::arg(&none), 0, sizeof none);
  return static_cast<int>(
      -sys::call(SYS_execve, sys::arg(child.file), sys::arg(child.argv), sys::arg(child.envp)));
}

// What is meant for the program's loader, allocator or sanitizer would change or break the drain.
bool is_for_program_only(const char* entry) {
  for (const char* prefix : {"LD_", "MALLOC_", "GLIBC_TUNABLES="}) {
    if (text_starts(entry, prefix)) return true;
  }
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "MSAN_OPTIONS", "TSAN_OPTIONS",
                           "UBSAN_OPTIONS", "HWASAN_OPTIONS"}) {
    if (env_value(entry, name) != nullptr) return true;
  }
  return env_value(entry, kSessionVariable) != nullptr;
}

// Our environment without those, and with the session; null if there is no memory.
char** drain_environment(const char* session) {
  size_t count = 0, kept = 0;
  while (environ[count] != nullptr) count++;
  size_t bytes = text_length(kSessionVariable) + 1 + text_length(session) + 1;
  char** out = static_cast<char**>(malloc((count + 2) * sizeof(char*)));
  char* text = static_cast<char*>(malloc(bytes));
  if (out == nullptr || text == nullptr) return nullptr;
  for (size_t i = 0; i < count; i++) {
    if (!is_for_program_only(environ[i])) out[kept++] = environ[i];
  }
  TextBuffer(text, bytes).add(kSessionVariable).add('=').add(session);
  out[kept] = text;
  out[kept + 1] = nullptr;
  return out;
}

// A copy above the numbers that the drain's descriptors get; -1 stays -1.
int lift(int fd) {
  return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree);
}

}  // namespace

double monotonic_seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

const char* start_drain(const char* file, const NewSession& session, int null_fd, int output,
                        Drain* out) {
  char** envp = drain_environment(session.text);
  if (envp == nullptr) return "get memory for the drain";
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return "make a socket pair";
  char name[] = "telinject-drain", mode[] = "--session";
  char* argv[] = {name, mode, nullptr};
  DrainChild child = {file,
                      argv,
                      envp,
                      lift(null_fd),
                      lift(pair[1]),
                      lift(session.path_listener),
                      lift(session.abstract_listener),
                      lift(output)};
  int error = 0;
  const char* what = nullptr;
  if (child.null < 0 || child.control < 0 ||
      (session.path_listener >= 0 && child.path_listener < 0) ||
      (session.abstract_listener >= 0 && child.abstract_listener < 0)) {
    what = "get descriptors for the drain";
    error = errno;
  } else if (out->pid = start_child(become_drain, &child, &error); out->pid < 0) {
    what = "start the drain";
    error = errno;
  } else if (error != 0) {
    waitpid(out->pid, nullptr, 0);
    out->pid = -1;
    what = "execute the drain";
  }
  for (int fd : {child.null, child.control, child.path_listener, child.abstract_listener,
                 child.output, pair[1]}) {
    if (fd >= 0) close(fd);
  }
  free(envp);
  if (what == nullptr) {
    out->control = pair[0];
    out->started = monotonic_seconds();
    return nullptr;
  }
  close(pair[0]);
  errno = error;
  return what;
}

}  // namespace telinject
