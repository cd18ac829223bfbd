#include "shim/sinks/standard_error.h"

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
#include <string>

namespace telinject {

StandardError& StandardError::get() {
  static StandardError instance;
  return instance;
}

void StandardError::take_over() {
  StandardError& self = get();
  struct stat status = {};
  int flags = fcntl(2, F_GETFL);
  if (fstat(2, &status) == 0 && flags >= 0 && (flags & O_ACCMODE) != O_RDONLY) {
    self.pipe_like_ = S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
    self.reopen_ = self.pipe_like_;
    self.fd_ =
        self.reopen_ ? open("/proc/self/fd/2", O_PATH | O_CLOEXEC) : fcntl(2, F_DUPFD_CLOEXEC, 16);
    if (self.reopen_ && self.fd_ >= 0) {
      int high = fcntl(self.fd_, F_DUPFD_CLOEXEC, 16);
      close(self.fd_);
      self.fd_ = high;
      int again = self.open_for_writing();
      bool possible = again >= 0 || errno == ENXIO;  // that is a pipe without reader
      if (again >= 0) close(again);
      if (!possible) {
        close(self.fd_);
        self.fd_ = -1;
      }
    }
    if (self.fd_ < 0) self.fd_ = fcntl(2, F_DUPFD_CLOEXEC, 16), self.reopen_ = false;
    if (self.reopen_) self.kept_ = fcntl(2, F_DUPFD_CLOEXEC, 16);
  }
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, 2);
    if (null > 2) close(null);
  }
}

void StandardError::let_go() {
  StandardError& self = get();
  if (self.kept_ >= 0) close(self.kept_);
  self.kept_ = -1;
}

void StandardError::use() {
  get().fd_ = 2;
}

int StandardError::open_for_writing() {
  if (!reopen_) return fd_;
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd_);
  return open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

bool StandardError::write(std::string_view text, int patience_ms, size_t* done) {
  if (!status_used_.load()) return write_all(text, patience_ms, done);
  std::lock_guard lock(status_mutex_);
  erase_status();
  return write_all(text, patience_ms, done);
}

void StandardError::erase_status() {
  if (status_drawn_) write_all("\r\033[K", 0, nullptr);
  status_drawn_ = false;
}

void StandardError::show_status(std::string_view text) {
  std::lock_guard lock(status_mutex_);
  if (text.empty()) return erase_status();
  std::string line;
  // What stands in the last line without a newline stays: blanks, a line's length but one, lead to
  // the next line from anywhere but its beginning.
  if (!status_used_.exchange(true)) line.append(columns() - 1, ' ');
  line.append("\r").append(text).append("\033[K");
  write_all(line, 0, nullptr);
  status_drawn_ = true;
}

size_t StandardError::columns() {
  constexpr size_t kUsual = 80, kFewest = 20;
  winsize size = {};
  int fd = open_for_writing();
  bool known = fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  if (reopen_ && fd >= 0) close(fd);
  return known ? std::max<size_t>(size.ws_col, kFewest) : kUsual;
}

bool StandardError::write_all(std::string_view text, int patience_ms, size_t* done) {
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
    ssize_t n = ::write(fd, text.data() + written, size);
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
