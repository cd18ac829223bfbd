#include "shim/symbols/regular_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace telinject {

namespace {

// O_NONBLOCK: of what is not a regular file after all.
constexpr int kToRead = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

int open_only(int folder, const char* path, bool below) {
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC;
  if (below) how.resolve = RESOLVE_IN_ROOT;
  auto fd = static_cast<int>(syscall(SYS_openat2, folder, path, &how, sizeof how));
  bool unknown = fd < 0 && (errno == ENOSYS || errno == EPERM);  // before Linux 5.6; a filter
  if (!unknown) return fd;
  return openat(folder, path, O_PATH | O_CLOEXEC);
}

bool is_regular(int fd, struct stat* status) {
  return fstat(fd, status) == 0 && S_ISREG(status->st_mode);
}

// Without /proc by its name once more, which may be another file's by now.
int open_again(int fd, int folder, const char* path, const struct stat& status) {
  int again = open(("/proc/self/fd/" + std::to_string(fd)).c_str(), kToRead);
  if (again >= 0 || errno != ENOENT) return again;
  again = openat(folder, path, kToRead);
  struct stat now = {};
  if (again < 0 ||
      (is_regular(again, &now) && now.st_dev == status.st_dev && now.st_ino == status.st_ino)) {
    return again;
  }
  close(again);
  errno = ENOENT;
  return -1;
}

int open_in(int folder, const char* path, bool below, std::string* error) {
  int fd = open_only(folder, path, below);
  if (fd < 0) {
    *error = strerror(errno);
    return -1;
  }
  struct stat status = {};
  int file = -1;
  if (!is_regular(fd, &status)) {
    *error = "not a regular file";
  } else {
    file = open_again(fd, folder, path, status);
    if (file < 0) *error = strerror(errno);
  }
  close(fd);
  return file;
}

}  // namespace

int open_regular_file(const std::string& path, std::string* error) {
  return open_in(AT_FDCWD, path.c_str(), false, error);
}

int open_regular_file_below(const std::string& folder, const std::string& path,
                            std::string* error) {
  int fd = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    *error = strerror(errno);
    return -1;
  }
  size_t name = path.find_first_not_of('/');
  int file = open_in(fd, name == path.npos ? "." : path.c_str() + name, true, error);
  close(fd);
  return file;
}

}  // namespace telinject
