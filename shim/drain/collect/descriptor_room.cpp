#include "shim/drain/collect/descriptor_room.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace telinject::drain {

namespace {

constexpr uint64_t kReserved = 24;   // outputs, the spool, debug files, newcomers
constexpr uint64_t kOfNewcomer = 3;  // its connection, its pidfd and its memory file

uint64_t limit() {
  rlimit files = {};
  return getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 0;
}

}  // namespace

bool is_plentiful(int fd) {
  return static_cast<uint64_t>(fd) < limit() / 2;
}

bool is_reserved(int fd) {
  uint64_t most = limit();
  return static_cast<uint64_t>(fd) + std::min(kReserved, most / 4) >= most;
}

bool descriptors_are_short() {
  int fds[2 * kOfNewcomer];  // as many again for what other threads open meanwhile
  size_t opened = 0;
  bool reserved = false;
  while (opened < std::size(fds) && !reserved) {
    int fd = eventfd(0, EFD_CLOEXEC);
    reserved = fd < 0 || is_reserved(fd);
    if (fd >= 0) fds[opened++] = fd;
  }
  while (opened > 0) close(fds[--opened]);
  return reserved;
}

int lowered(int fd) {
  int lower = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (lower < 0) return fd;
  int kept = std::min(fd, lower);
  close(std::max(fd, lower));
  return kept;
}

std::string out_of_descriptors_text() {
  return absl::StrCat(
      "too many programs ran at once for the drain's limit on descriptors (ulimit -n ", limit(),
      "): raise it before you start telrun (ulimit -n ", std::max<uint64_t>(4 * limit(), 4096),
      ")");
}

}  // namespace telinject::drain
