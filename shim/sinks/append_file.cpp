#include "shim/sinks/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace telinject {

std::unique_ptr<AppendFile> AppendFile::open(const std::string& path, std::string* problem) {
  // A FIFO that nobody reads would keep us here for ever; one whose reader is just being started
  // is waited for.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  constexpr int kPatience = 100;
  constexpr timespec kPause = {0, 10000000};
  int fd = ::open(path.c_str(), kFlags, 0644);
  for (int i = 0; i < kPatience && fd < 0 && errno == ENXIO; i++) {
    nanosleep(&kPause, nullptr);
    fd = ::open(path.c_str(), kFlags, 0644);
  }
  if (fd < 0) {
    bool nobody = errno == ENXIO;
    *problem = absl::StrCat("TELEMETRY_FILE=", path, ": ",
                            nobody ? "a FIFO that nobody reads, or a socket" : strerror(errno));
    return nullptr;
  }
  return std::unique_ptr<AppendFile>(new AppendFile(fd, path));
}

AppendFile::~AppendFile() {
  close(fd_);
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
  return done;
}

bool AppendFile::take_back(size_t bytes) {
  struct stat status = {};
  off_t end = lseek(fd_, 0, SEEK_CUR);
  return fstat(fd_, &status) == 0 && end == status.st_size &&
         ftruncate(fd_, end - static_cast<off_t>(bytes)) == 0;
}

}  // namespace telinject
