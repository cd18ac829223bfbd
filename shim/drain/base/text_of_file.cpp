#include "shim/drain/base/text_of_file.h"

#include <fcntl.h>
#include <unistd.h>

namespace telinject::drain {

std::string text_of_file(const std::string& path) {
  std::string text;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char part[4096];
  ssize_t n;
  while ((n = read(fd, part, sizeof part)) > 0) text.append(part, static_cast<size_t>(n));
  close(fd);
  return text;
}

}  // namespace telinject::drain
