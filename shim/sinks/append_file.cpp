#include "shim/sinks/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/sinks/new_file.h"

namespace telinject {

std::unique_ptr<AppendFile> AppendFile::open(const std::string& path, std::string* problem) {
  // Opening a FIFO without a reader would block for ever. A reader that is just being started is
  // waited for.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  constexpr int kPatience = 100;
  constexpr timespec kPause = {0, 10000000};
  int fd = open_or_make(path, kFlags);
  for (int i = 0; i < kPatience && fd < 0 && errno == ENXIO; i++) {
    nanosleep(&kPause, nullptr);
    fd = open_or_make(path, kFlags);
  }
  if (fd < 0) {
    bool nobody = errno == ENXIO;
    *problem = absl::StrCat("TELEMETRY_FILE=", path, ": ",
                            nobody ? "a FIFO without a reader, or a socket" : strerror(errno));
    return nullptr;
  }
  return std::unique_ptr<AppendFile>(new AppendFile(fd, path));
}

AppendFile::AppendFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {
  struct stat status = {};
  takes_turns_ = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  if (!takes_turns_) return;
  std::string same = absl::StrCat("/proc/self/fd/", fd);
  reading_ = ::open(same.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

AppendFile::~AppendFile() {
  if (reading_ >= 0) close(reading_);
  close(fd_);
}

AppendFile::Turn::Turn(AppendFile* file) : file_(file) {
  if (!file->takes_turns_) return;
  alone_ = file->lock();
  struct stat status = {};
  others_wrote_ = fstat(file->fd_, &status) == 0 && status.st_size != file->end_;
}

AppendFile::Turn::~Turn() {
  if (alone_) flock(file_->fd_, LOCK_UN);
}

bool AppendFile::lock() {
  constexpr int kPatience = 1000;
  constexpr timespec kPause = {0, 1000000};
  for (int i = 0; i < kPatience; i++) {
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) break;
    nanosleep(&kPause, nullptr);
  }
  takes_turns_ = false;
  return false;
}

std::string AppendFile::tail(size_t bytes) const {
  struct stat status = {};
  if (reading_ < 0 || fstat(reading_, &status) != 0 || status.st_size <= 0) return "";
  auto size = static_cast<uint64_t>(status.st_size);
  std::string text(std::min<uint64_t>(size, bytes), '\0');
  size_t done = 0;
  while (done < text.size()) {
    ssize_t n = pread(reading_, text.data() + done, text.size() - done,
                      static_cast<off_t>(size - text.size() + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return "";
    done += static_cast<size_t>(n);
  }
  return text;
}

bool AppendFile::cut(size_t bytes) {
  struct stat status = {};
  return fstat(fd_, &status) == 0 && status.st_size >= static_cast<off_t>(bytes) &&
         ftruncate(fd_, status.st_size - static_cast<off_t>(bytes)) == 0;
}

size_t AppendFile::append(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      // A FIFO given as the file.
      pollfd ready = {fd_, POLLOUT, 0};
      poll(&ready, 1, 1000);
    } else if (n < 0 && errno != EINTR) {
      break;
    }
  }
  if (reading_ >= 0) end_ = lseek(fd_, 0, SEEK_CUR);
  return done;
}

bool AppendFile::take_back(size_t bytes) {
  struct stat status = {};
  off_t end = lseek(fd_, 0, SEEK_CUR);
  if (fstat(fd_, &status) != 0 || end != status.st_size) return false;
  off_t shorter = end - static_cast<off_t>(bytes);
  if (ftruncate(fd_, shorter) != 0) return false;
  end_ = shorter;
  return true;
}

}  // namespace telinject
