#include "shim/cli/session_start.h"

#include <errno.h>
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

bool random_name(char out[kSessionNameDigits + 1]) {
  uint64_t half[2];
  if (getrandom(half, sizeof half, 0) != sizeof half) return false;
  TextBuffer(out, kSessionNameDigits + 1).hex(half[0], 16).hex(half[1], 16);
  return true;
}

// 0711: a process that knows the name can use it, also after a change of user, but the directory
// cannot be listed.
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

// `mode` is set between bind and listen, so that no other process can connect before, and the umask
// stays as it is.
int listen_on(const sockaddr_un& address, uint32_t length, const char* path) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
      (path == nullptr || chmod(path, 0666) == 0) && listen(fd, kBacklog) == 0) {
    return fd;
  }
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
  if (!random_name(session.name)) return "get random bytes";
  session.clock = choose_clock(settings);
  session.waiting_bytes = waiting_bytes(settings.number[kQueueBytes]);

  const char* runtime = getenv("XDG_RUNTIME_DIR");
  if ((runtime != nullptr && make_directory(runtime, session.directory)) ||
      make_directory("/tmp", session.directory)) {
    sockaddr_un address;
    uint32_t length = session_path_address(session, &address);
    if (length != 0) out->path_listener = listen_on(address, length, address.sun_path);
    if (out->path_listener < 0) {
      int error = errno;
      remove_session_directory(session);
      session.directory[0] = 0;
      errno = error;
    }
  }
  sockaddr_un address;
  uint32_t length = session_abstract_address(session, &address);
  out->abstract_listener = listen_on(address, length, nullptr);
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
