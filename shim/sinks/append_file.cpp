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

namespace {

// Opening a FIFO without a reader would block for ever.
constexpr int kFlags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

}  // namespace

std::unique_ptr<AppendFile> AppendFile::open(const std::string& path, std::string* problem,
                                             Rotation rotation) {
  // A reader of a FIFO that is just being started is waited for.
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
  return std::unique_ptr<AppendFile>(new AppendFile(fd, path, std::move(rotation)));
}

AppendFile::AppendFile(int fd, std::string path, Rotation rotation)
    : path_(std::move(path)), rotation_(std::move(rotation)) {
  use(fd);
}

AppendFile::~AppendFile() {
  close_files();
}

void AppendFile::use(int fd) {
  struct stat status = {};
  fd_ = fd;
  is_regular_ = takes_turns_ = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  reading_ = -1;
  end_ = 0;
  rotate_at_ = rotation_.most_bytes;
  if (!is_regular_) return;
  std::string same = absl::StrCat("/proc/self/fd/", fd);
  reading_ = ::open(same.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

void AppendFile::close_files() {
  if (reading_ >= 0) close(reading_);
  close(fd_);
}

AppendFile::Turn::Turn(AppendFile* file, bool mends) : file_(file) {
  // The lock is a file's. When we have got it, another file may be at the path.
  constexpr int kMostFiles = 8;
  for (int i = 0; i < kMostFiles && file->is_regular_; i++) {
    alone_ = file->takes_turns_ && file->lock();
    if (mends) break;
    if (alone_) file->make_way();
    if (!file->follow()) break;
    is_another_file_ = true;
    alone_ = false;  // the lock went with the file
  }
  if (!file->is_regular_) return;
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

// Rotates a file that has reached its size. In a turn that is alone.
void AppendFile::make_way() {
  struct stat own = {}, named = {};
  if (rotate_at_ == 0 || fstat(fd_, &own) != 0) return;
  auto size = static_cast<uint64_t>(own.st_size);
  if (size < rotate_at_ || !path_.starts_with('/') || lstat(path_.c_str(), &named) != 0) return;
  // What it links to may be on another disk, and anything.
  if (S_ISLNK(named.st_mode)) return put_off(size, "it is a symbolic link");
  if (named.st_dev != own.st_dev || named.st_ino != own.st_ino) return;
  if (!rotate(path_, rotation_.most_files) && errno != ENOENT) put_off(size, strerror(errno));
}

// Tried again when it has grown by as much.
void AppendFile::put_off(uint64_t size, const std::string& why) {
  rotate_at_ = size + rotation_.most_bytes;
  if (std::exchange(told_, true)) return;
  rotation_.tell(absl::StrCat("TELEMETRY_FILE=", path_, ": cannot make way for a new file (", why,
                              "): it grows beyond TELEMETRY_MAX_FILE_SIZE"));
}

// Goes on in the file that is at the path, if that is another one or missing. True if there was
// one.
bool AppendFile::follow() {
  struct stat own = {}, named = {};
  // A relative path would be one of the folder that the drain is in now.
  if (!path_.starts_with('/') || fstat(fd_, &own) != 0) return false;
  bool there = stat(path_.c_str(), &named) == 0;
  if (!there && errno != ENOENT) return false;
  if (there && named.st_dev == own.st_dev && named.st_ino == own.st_ino) return false;
  if (there && !S_ISREG(named.st_mode)) return false;
  int fd = open_or_make(path_, kFlags);
  if (fd < 0) return false;
  close_files();
  use(fd);
  return true;
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
