#include "shim/sinks/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>

namespace telinject {

namespace {

std::atomic<mode_t> g_mode{kOwnFileMode};

}  // namespace

void set_new_file_mode(mode_t mode) {
  g_mode = mode;
}

int open_or_make(const std::string& path, int flags) {
  // Two steps, to know whether it is ours to give permissions to.
  int fd = open(path.c_str(), flags | O_CREAT | O_EXCL, kOwnFileMode);
  if (fd < 0 && errno == EEXIST && (flags & O_EXCL) == 0) {
    return open(path.c_str(), flags | O_CREAT, kOwnFileMode);
  }
  mode_t mode = g_mode;
  if (fd >= 0 && mode != kOwnFileMode) fchmod(fd, mode);
  return fd;
}

}  // namespace telinject
