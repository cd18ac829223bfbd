#include "shim/cli/warn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shim/channel/printable.h"

namespace telinject {

namespace {

constexpr int kSlowReaderMs = 1000;

const char* g_name = "telrun";
int g_held = -1;     // O_PATH descriptor of a stderr that was let go
int g_writing = -1;  // the same, open for writing again

int reopen(int held) {
  char path[40];
  TextBuffer(path, sizeof path).add("/proc/self/fd/").number(static_cast<uint64_t>(held));
  return open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

// A line for a pipe without a reader must not end telrun. While it supervises, signals are blocked
// and read elsewhere.
class PipeSignalHeld {
 public:
  PipeSignalHeld() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigprocmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~PipeSignalHeld() {
    timespec now = {};
    if (sigismember(&before_, SIGPIPE) == 1) return;
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &now);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalHeld(const PipeSignalHeld&) = delete;
  PipeSignalHeld& operator=(const PipeSignalHeld&) = delete;

 private:
  sigset_t pipe_, before_;
  bool was_pending_;
};

}  // namespace

void warn_as(const char* name) {
  g_name = name;
}

void begin_line(TextBuffer* text) {
  text->add(g_name).add(": ");
}

void write_line(const TextBuffer& text) {
  // A pipe takes so much as a whole.
  char line[PIPE_BUF];
  TextBuffer printable(line, sizeof line - 1);
  add_printable(&printable, text.text(), text.size());
  line[printable.size()] = '\n';
  size_t left = printable.size() + 1;
  bool once = g_held >= 0 && g_writing < 0;
  int fd = once ? reopen(g_held) : g_writing >= 0 ? g_writing : STDERR_FILENO;
  PipeSignalHeld held;
  for (const char* p = line; fd >= 0 && left > 0;) {
    // Asked before, for a descriptor that is not ours to make non-blocking.
    pollfd room = {fd, POLLOUT, 0};
    int ready = poll(&room, 1, kSlowReaderMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready != 1 || (room.revents & POLLOUT) == 0) break;
    ssize_t n = write(fd, p, left);
    if (n > 0) {
      p += n;
      left -= static_cast<size_t>(n);
    } else if (errno != EINTR && errno != EAGAIN) {
      break;
    }
  }
  if (once && fd >= 0) close(fd);
}

void take_hold_of_stderr() {
  if (g_held >= 0 && g_writing < 0) g_writing = reopen(g_held);
}

int let_go_of_stderr(int null_fd) {
  struct stat status;
  if (fstat(STDERR_FILENO, &status) != 0 || !S_ISFIFO(status.st_mode)) return -1;
  int held = open("/proc/self/fd/2", O_PATH | O_CLOEXEC);
  if (held < 0) return -1;
  // A pipe that another user made (sudo, su) cannot be opened again: then it is kept after all.
  int again = reopen(held);
  if (again < 0 && errno != ENXIO) {
    close(held);
    return -1;
  }
  if (again >= 0) close(again);
  dup2(null_fd, STDERR_FILENO);
  return g_held = held;
}

}  // namespace telinject
