#include "shim/cli/drain_start.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/channel/clock.h"
#include "shim/channel/drain_process.h"
#include "shim/cli/child.h"

namespace telinject {

namespace {

int run_drain(void* launch) {
  return static_cast<int>(-become_drain(*static_cast<DrainLaunch*>(launch)));
}

}  // namespace

double monotonic_seconds() {
  return static_cast<double>(monotonic_ns()) / 1e9;
}

const char* start_drain(const char* file, const NewSession& session, int output, Drain* out) {
  DrainEnvironment environment(environ, session.text);
  if (environment.entries() == nullptr) {
    errno = ENOMEM;
    return "get memory for the drain";
  }
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return "make a socket pair";
  DrainLaunch launch = {.file = file,
                        .mode = SessionMode::kTelrun,
                        .envp = environment.entries(),
                        .control_or_segment = pair[1],
                        .path_listener = session.path_listener,
                        .abstract_listener = session.abstract_listener,
                        .output = output};
  int error = 0;
  const char* what = nullptr;
  out->pid = start_child(run_drain, &launch, &error);
  if (out->pid < 0) {
    what = "start the drain";
    error = errno;
  } else if (error != 0) {
    waitpid(out->pid, nullptr, 0);
    out->pid = -1;
    what = "execute the drain";
  }
  close(pair[1]);
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
