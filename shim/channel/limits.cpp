#include "shim/channel/limits.h"

#include <fcntl.h>
#include <sys/sysinfo.h>

#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

constexpr uint64_t kShare = 8;

size_t read_file(const char* path, char* out, size_t capacity) {
  long fd = sys::call(SYS_openat, AT_FDCWD, sys::arg(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  long n = sys::call(SYS_read, fd, sys::arg(out), static_cast<long>(capacity - 1));
  sys::close(static_cast<int>(fd));
  if (n < 0) n = 0;
  out[n] = 0;
  return static_cast<size_t>(n);
}

uint64_t read_limit(const char* directory, const char* group, const char* file) {
  char path[1024], text[32];
  TextBuffer name(path, sizeof path);
  name.add(directory).add(group).add(file);
  uint64_t limit = ~uint64_t{0};
  if (name.overflow() || read_file(path, text, sizeof text) == 0) return limit;
  parse_number(text, &limit);  // "max" leaves it as it is
  return limit;
}

// The smallest limit on the way from the group up to the root.
uint64_t smallest_limit(const char* directory, char* group, const char* file) {
  uint64_t smallest = ~uint64_t{0};
  for (;;) {
    uint64_t limit = read_limit(directory, group, file);
    if (limit < smallest) smallest = limit;
    size_t n = text_length(group);
    while (n > 0 && group[n - 1] != '/') n--;
    if (n == 0) return smallest;
    group[n - 1] = 0;
  }
}

uint64_t cgroup_limit() {
  char text[2048];
  if (read_file("/proc/self/cgroup", text, sizeof text) == 0) return ~uint64_t{0};
  uint64_t smallest = ~uint64_t{0};
  for (char* line = text; *line != 0;) {
    char* end = line;
    while (*end != 0 && *end != '\n') end++;
    bool last = *end == 0;
    *end = 0;
    // "0::/path" is the one group of version 2; "5:memory:/path" the memory group of version 1.
    char* path = line;
    while (*path != 0 && *path != '/') path++;
    if (text_length(path) == 1) path[0] = 0;
    uint64_t limit = ~uint64_t{0};
    bool memory = false;
    for (char* p = line; p < path; p++) memory = memory || text_starts(p, "memory");
    if (text_starts(line, "0::")) {
      limit = smallest_limit("/sys/fs/cgroup", path, "/memory.max");
    } else if (memory) {
      limit = smallest_limit("/sys/fs/cgroup/memory", path, "/memory.limit_in_bytes");
    }
    if (limit < smallest) smallest = limit;
    if (last) break;
    line = end + 1;
  }
  return smallest;
}

uint64_t machine_memory() {
  struct sysinfo info = {};
  if (sys::failed(sys::call(SYS_sysinfo, sys::arg(&info)))) return ~uint64_t{0};
  return uint64_t{info.totalram} * info.mem_unit;
}

}  // namespace

uint64_t waiting_bytes_of(uint64_t memory) {
  uint64_t bytes = memory / kShare;
  if (bytes < kLeastWaitingBytes) return kLeastWaitingBytes;
  return bytes < kUsualWaitingBytes ? bytes : kUsualWaitingBytes;
}

uint64_t waiting_bytes(uint64_t wanted) {
  if (wanted != 0) return wanted;
  uint64_t group = cgroup_limit(), machine = machine_memory();
  return waiting_bytes_of(group < machine ? group : machine);
}

}  // namespace telinject
