#include "shim/symbols/process_rights.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

namespace telinject {

namespace {

using Text = std::unique_ptr<FILE, int (*)(FILE*)>;

Text open_about(int pid, const char* what) {
  std::string path = "/proc/" + std::to_string(pid) + "/" + what;
  return {fopen(path.c_str(), "re"), fclose};
}

// Calls `take(line)` for each line, until it returns false.
template <typename Take>
void each_line(int pid, const char* what, Take take) {
  Text file = open_about(pid, what);
  if (file == nullptr) return;
  char* line = nullptr;
  size_t capacity = 0;
  while (getline(&line, &capacity, file.get()) > 0 && take(line)) {
  }
  free(line);
}

std::vector<uint32_t> numbers(const char* text) {
  std::vector<uint32_t> found;
  char* end;
  for (;; text = end) {
    auto value = static_cast<uint32_t>(strtoul(text, &end, 10));
    if (end == text) return found;
    found.push_back(value);
  }
}

// Raw calls: libc's change all threads of the process.
bool set_groups(const std::vector<uint32_t>& groups) {
  return syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

uint32_t set_user(uint32_t uid) {
  syscall(SYS_setfsuid, uid);
  return static_cast<uint32_t>(syscall(SYS_setfsuid, ~uint32_t{0}));
}

uint32_t set_group(uint32_t gid) {
  syscall(SYS_setfsgid, gid);
  return static_cast<uint32_t>(syscall(SYS_setfsgid, ~uint32_t{0}));
}

}  // namespace

bool dropped_rights_of(int pid, FileRights* rights) {
  constexpr size_t kIds = 4;  // real, effective, saved, of file systems
  std::vector<uint32_t> uids, gids;
  each_line(pid, "status", [&](const char* line) {
    if (strncmp(line, "Uid:", 4) == 0) uids = numbers(line + 4);
    if (strncmp(line, "Gid:", 4) == 0) gids = numbers(line + 4);
    bool groups = strncmp(line, "Groups:", 7) == 0;
    if (groups) rights->groups = numbers(line + 7);
    return !groups;
  });
  if (uids.size() != kIds || gids.size() != kIds) return false;
  if (std::find(uids.begin(), uids.end(), 0) != uids.end()) return false;
  rights->uid = uids[3];
  rights->gid = gids[3];
  return true;
}

bool has_mapped(int pid, const struct stat& file) {
  bool found = false;
  each_line(pid, "maps", [&](const char* line) {
    unsigned device_major = 0, device_minor = 0;
    uint64_t inode = 0;
    if (sscanf(line, "%*s %*s %*s %x:%x %" SCNu64, &device_major, &device_minor, &inode) == 3) {
      found = inode == file.st_ino && device_major == major(file.st_dev) &&
              device_minor == minor(file.st_dev);
    }
    return !found;
  });
  return found;
}

ActingAs::ActingAs(const FileRights& rights) {
  int count = getgroups(0, nullptr);
  groups_.resize(static_cast<size_t>(std::max(count, 0)));
  if (count < 0 || getgroups(count, groups_.data()) != count) return;
  groups_changed_ = set_groups(rights.groups);
  // The user last: with root's rights the right to change groups goes, too.
  succeeded_ =
      groups_changed_ && set_group(rights.gid) == rights.gid && set_user(rights.uid) == rights.uid;
  if (!succeeded_) go_back();
}

ActingAs::~ActingAs() {
  if (succeeded_) go_back();
}

// A thread that stayed somebody else would fail where nobody expects it.
void ActingAs::go_back() {
  bool back = set_user(geteuid()) == geteuid() && set_group(getegid()) == getegid() &&
              (!groups_changed_ || set_groups(groups_));
  if (!back) abort();
}

}  // namespace telinject
