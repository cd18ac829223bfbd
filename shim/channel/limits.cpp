#include "shim/channel/limits.h"

#include <fcntl.h>
#include <sys/sysinfo.h>

#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

constexpr uint64_t kShare = 8, kShareOfFree = 4;

size_t read_file(const char* path, char* out, size_t capacity) {
  long fd = sys::call(SYS_openat, AT_FDCWD, sys::arg(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  long n = sys::call(SYS_read, fd, sys::arg(out), static_cast<long>(capacity - 1));
  sys::close(static_cast<int>(fd));
  if (n < 0) n = 0;
  out[n] = 0;
  return static_cast<size_t>(n);
}

// Where a version of control groups has its memory groups, and what the files there are called.
struct Version {
  const char* directory;
  const char *limit, *high;       // the second may be null
  const char* used;               // of it and the groups below
  const char *inactive, *active;  // lines of memory.stat: pages of files, which can be dropped
};
constexpr Version kVersion2 = {"/sys/fs/cgroup",  "/memory.max",    "/memory.high",
                               "/memory.current", "inactive_file ", "active_file "};
constexpr Version kVersion1 = {
    "/sys/fs/cgroup/memory",  "/memory.limit_in_bytes", nullptr,
    "/memory.usage_in_bytes", "total_inactive_file ",   "total_active_file "};

// `otherwise` if there is no such file, or it says "max".
uint64_t read_number(const Version& version, const char* group, const char* file,
                     uint64_t otherwise) {
  char path[1024], text[32];
  TextBuffer name(path, sizeof path);
  name.add(version.directory).add(group).add(file);
  if (name.overflow() || read_file(path, text, sizeof text) == 0) return otherwise;
  parse_number(text, &otherwise);
  return otherwise;
}

// The number behind `name`, which begins a line and ends with what separates the two; 0: it is not
// there.
uint64_t number_after(const char* text, const char* name) {
  for (const char* line = text; *line != 0;) {
    if (text_starts(line, name)) {
      line += text_length(name);
      while (*line == ' ') line++;
      uint64_t number = 0;
      for (; *line >= '0' && *line <= '9'; line++) {
        number = number * 10 + static_cast<uint64_t>(*line - '0');
      }
      return number;
    }
    while (*line != 0 && *line != '\n') line++;
    if (*line == '\n') line++;
  }
  return 0;
}

uint64_t limit_of(const Version& version, const char* group) {
  constexpr uint64_t kNone = ~uint64_t{0};
  uint64_t limit = read_number(version, group, version.limit, kNone);
  if (version.high == nullptr) return limit;
  uint64_t high = read_number(version, group, version.high, kNone);
  return high < limit ? high : limit;
}

// What is left in a group: what files have cached there gives way.
uint64_t free_in(const Version& version, const char* group, uint64_t limit) {
  uint64_t used = read_number(version, group, version.used, 0);
  char path[1024], text[4096];
  TextBuffer name(path, sizeof path);
  name.add(version.directory).add(group).add("/memory.stat");
  if (!name.overflow() && read_file(path, text, sizeof text) != 0) {
    uint64_t files = number_after(text, version.inactive) + number_after(text, version.active);
    used = used > files ? used - files : 0;
  }
  return limit > used ? limit - used : 0;
}

// Calls visit(version, group) for this process's memory group and those around it. A group is the
// path below the version's directory, "" the outermost.
template <typename Visit>
void each_group(Visit&& visit) {
  char text[2048];
  if (read_file("/proc/self/cgroup", text, sizeof text) == 0) return;
  for (char* line = text; *line != 0;) {
    char* end = line;
    while (*end != 0 && *end != '\n') end++;
    bool last = *end == 0;
    *end = 0;
    // "0::/path" is the one group of version 2; "5:memory:/path" the memory group of version 1.
    char* path = line;
    while (*path != 0 && *path != '/') path++;
    if (text_length(path) == 1) path[0] = 0;
    bool memory = false;
    for (char* p = line; p < path; p++) memory = memory || text_starts(p, "memory");
    const Version* version = text_starts(line, "0::") ? &kVersion2 : memory ? &kVersion1 : nullptr;
    while (version != nullptr) {
      visit(*version, path);
      size_t n = text_length(path);
      while (n > 0 && path[n - 1] != '/') n--;
      if (n == 0) break;
      path[n - 1] = 0;
    }
    if (last) return;
    line = end + 1;
  }
}

uint64_t machine_memory() {
  struct sysinfo info = {};
  if (sys::failed(sys::call(SYS_sysinfo, sys::arg(&info)))) return ~uint64_t{0};
  return uint64_t{info.totalram} * info.mem_unit;
}

uint64_t machine_free() {
  constexpr uint64_t kKilobyte = 1024;
  char text[512];
  if (read_file("/proc/meminfo", text, sizeof text) == 0) return ~uint64_t{0};
  uint64_t available = number_after(text, "MemAvailable:");
  return available != 0 ? available * kKilobyte : ~uint64_t{0};
}

uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

}  // namespace

uint64_t waiting_bytes_of(uint64_t memory) {
  uint64_t bytes = memory / kShare;
  if (bytes < kLeastWaitingBytes) return kLeastWaitingBytes;
  return bytes < kUsualWaitingBytes ? bytes : kUsualWaitingBytes;
}

uint64_t memory_limit() {
  uint64_t limit = machine_memory();
  each_group([&](const Version& version, const char* group) {
    limit = smaller(limit, limit_of(version, group));
  });
  return limit;
}

MemoryRoom memory_room() {
  MemoryRoom room = {machine_memory(), machine_free()};
  each_group([&](const Version& version, const char* group) {
    uint64_t limit = limit_of(version, group);
    if (limit >= machine_memory()) return;  // of no group that matters
    room.limit = smaller(room.limit, limit);
    room.free = smaller(room.free, free_in(version, group, limit));
  });
  return room;
}

uint64_t waiting_bytes(uint64_t wanted) {
  return wanted != 0 ? wanted : waiting_bytes_of(memory_limit());
}

uint64_t waiting_bytes_now(uint64_t most, const MemoryRoom& room, uint64_t held) {
  uint64_t room_for_it = room.free > ~uint64_t{0} - held ? room.free : room.free + held;
  uint64_t bytes = smaller(smaller(most, room.limit / kShare), room_for_it / kShareOfFree);
  return bytes < kLeastWaitingNow ? smaller(most, kLeastWaitingNow) : bytes;
}

}  // namespace telinject
