#include "shim/metadata/text_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace telinject {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

}  // namespace

std::string read_small_file(const std::string& path, size_t limit) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return {};
  std::string text;
  struct stat status = {};
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    // Files of /proc and /sys say nothing true of their size.
    char part[4096];
    for (;;) {
      ssize_t n = read(fd, part, sizeof part);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      text.append(part, static_cast<size_t>(n));
      if (text.size() > limit) {
        text.clear();
        break;
      }
    }
  }
  close(fd);
  return text;
}

std::string_view trimmed(std::string_view text) {
  size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

}  // namespace telinject
