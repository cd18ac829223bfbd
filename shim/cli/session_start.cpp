#include "shim/cli/session_start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/channel/clock.h"
#include "shim/channel/limits.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

// Connections wait here until the drain has come up; the kernel lowers it to somaxconn (4096).
constexpr int kBacklog = 65535;

bool choose_secret(Session* session) {
  uint8_t secret[kSecretBytes];
  if (getrandom(secret, sizeof secret, 0) != sizeof secret) return false;
  set_session_secret(secret, session);
  return true;
}

// 0711: a process that knows the file's name can use it, also after a change of user, but the
// directory cannot be listed.
bool make_directory(const char* base, char out[kSessionDirectoryBytes]) {
  TextBuffer text(out, kSessionDirectoryBytes);
  text.add(base).add("/telinject-XXXXXX");
  if (base[0] != '/' || text.overflow() || mkdtemp(out) == nullptr) {
    out[0] = 0;
    return false;
  }
  // mkdtemp's mode goes through the umask.
  if (chmod(out, 0711) == 0) return true;
  rmdir(out);
  out[0] = 0;
  return false;
}

// A socket that is bound, but not listening yet; -1 and errno.
int bound_socket(const sockaddr_un& address, uint32_t length) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

// Bound by another name and renamed: /proc/net/unix goes on to show what it was bound by. Before it
// listens nobody can connect. The mode is set then, so the umask stays as it is.
bool settle_file(const char* bound, const char* path) {
  return rename(bound, path) == 0 && chmod(path, 0666) == 0;
}

int listen_on_path(const Session& session) {
  sockaddr_un address, bound = {};
  if (session_path_address(session, &address) == 0) return -1;
  bound.sun_family = AF_UNIX;
  TextBuffer text(bound.sun_path, sizeof bound.sun_path);
  text.add(session.directory).add("/socket");
  int fd = bound_socket(bound, sizeof bound);
  if (fd < 0) return -1;
  if (settle_file(bound.sun_path, address.sun_path) && listen(fd, kBacklog) == 0) return fd;
  int error = errno;
  close(fd);
  unlink(bound.sun_path);
  errno = error;
  return -1;
}

int listen_on_name(const Session& session) {
  sockaddr_un address;
  int fd = bound_socket(address, session_abstract_address(session, &address));
  if (fd < 0 || listen(fd, kBacklog) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

ClockKind choose_clock(const Settings& settings) {
  switch (settings.number[kClock]) {
    case kClockTsc:
      return ClockKind::kTsc;
    case kClockMonotonic:
      return ClockKind::kMonotonic;
    default:
      return tsc_is_trustworthy() ? ClockKind::kTsc : ClockKind::kMonotonic;
  }
}

}  // namespace

const char* start_session(const Settings& settings, NewSession* out) {
  *out = {};
  out->path_listener = out->abstract_listener = -1;
  Session& session = out->session;
  session.mode = SessionMode::kTelrun;
  session.uid = geteuid();
  if (!choose_secret(&session)) return "get random bytes";
  session.clock = choose_clock(settings);
  session.waiting_bytes = waiting_bytes(settings.number[kQueueBytes]);

  const char* runtime = getenv("XDG_RUNTIME_DIR");
  if ((runtime != nullptr && make_directory(runtime, session.directory)) ||
      make_directory("/tmp", session.directory)) {
    out->path_listener = listen_on_path(session);
    if (out->path_listener < 0) {
      int error = errno;
      remove_session_directory(session);
      session.directory[0] = 0;
      errno = error;
    }
  }
  out->abstract_listener = listen_on_name(session);
  if (out->path_listener < 0 && out->abstract_listener < 0) return "make a socket";
  format_session(session, out->text);
  return nullptr;
}

void close_listeners(NewSession* session) {
  for (int* fd : {&session->path_listener, &session->abstract_listener}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

void remove_session_directory(const Session& session) {
  if (session.directory[0] == 0) return;
  sockaddr_un address;
  if (session_path_address(session, &address) != 0) unlink(address.sun_path);
  rmdir(session.directory);
}

}  // namespace telinject
