#include "shim/sinks/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>

namespace telinject {

namespace {

// Above the numbers that a drain is started with.
constexpr int kFirstFree = 16;

int open_again(int fd, int flags) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, flags | O_CLOEXEC);
}

}  // namespace

Stream::~Stream() {
  if (owned_ && fd_ >= 0) close(fd_);
}

void Stream::adopt(int fd) {
  struct stat status = {};
  int flags = fcntl(fd, F_GETFL);
  if (fstat(fd, &status) != 0 || flags < 0 || (flags & O_ACCMODE) == O_RDONLY) return;
  owned_ = true;
  pipe_like_ = S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
  socket_ = S_ISSOCK(status.st_mode);
  reopen_ = pipe_like_;
  fd_ = reopen_ ? open_again(fd, O_PATH) : fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree);
  if (reopen_ && fd_ >= 0) {
    int high = fcntl(fd_, F_DUPFD_CLOEXEC, kFirstFree);
    close(fd_);
    fd_ = high;
    int again = open_for_writing();
    bool possible = again >= 0 || errno == ENXIO;  // that is a pipe without reader
    if (again >= 0) close(again);
    if (!possible) {
      close(fd_);
      fd_ = -1;
    }
  }
  if (fd_ < 0) fd_ = fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree), reopen_ = false;
}

int Stream::open_for_writing() {
  if (!reopen_) return fd_;
  return open_again(fd_, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
}

size_t Stream::columns() {
  winsize size = {};
  int fd = open_for_writing();
  bool known = fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0;
  if (reopen_ && fd >= 0) close(fd);
  return known ? size.ws_col : 0;
}

bool Stream::write(std::string_view text, int patience_ms, size_t* done) {
  size_t written = 0;
  if (done != nullptr) *done = 0;
  if (fd_ < 0) return false;
  int fd = open_for_writing();
  if (fd < 0) return false;
  while (written < text.size()) {
    // A pipe that we share is not ours to make non-blocking: it is asked first, and takes this much
    // without blocking.
    bool ask = pipe_like_ && !reopen_;
    size_t size = std::min(text.size() - written, ask ? size_t{PIPE_BUF} : SIZE_MAX);
    pollfd room = {fd, POLLOUT, 0};
    if (ask && (poll(&room, 1, patience_ms) <= 0 || (room.revents & POLLOUT) == 0)) break;
    const char* from = text.data() + written;
    ssize_t n =
        socket_ ? send(fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL) : ::write(fd, from, size);
    if (n > 0) {
      written += static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      pollfd ready = {fd, POLLOUT, 0};
      if (poll(&ready, 1, patience_ms) <= 0 || (ready.revents & (POLLERR | POLLNVAL)) != 0) break;
    } else if (n < 0 && errno != EINTR) {
      break;
    }
  }
  if (reopen_) close(fd);
  if (done != nullptr) *done = written;
  return written == text.size();
}

}  // namespace telinject
