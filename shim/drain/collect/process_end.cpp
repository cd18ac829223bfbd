#include "shim/drain/collect/process_end.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "shim/drain/base/text_of_file.h"

namespace telinject::drain {

namespace {

// linux/pidfd.h of Linux 6.15: how a process ended, for holders of its pidfd.
struct PidfdInfo {
  uint64_t mask, cgroup_id;
  uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int32_t exit_code;
};
constexpr uint64_t kPidfdInfoExit = 1 << 3;
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);

bool end_of_reaped(int pidfd, ProcessEnd* end) {
  PidfdInfo info = {};
  info.mask = kPidfdInfoExit;
  if (ioctl(pidfd, kPidfdGetInfo, &info) != 0 || (info.mask & kPidfdInfoExit) == 0) return false;
  *end = {true, info.exit_code};
  return true;
}

// What /proc/PID/stat says. The exit code is the last field, 0 to those who may not know.
struct ProcessStat {
  char state = 0;  // 0: nothing is known
  int threads = 0;
  uint64_t start = 0;
  int exit_code = 0;

  // A main thread that has ended is a zombie while others still run.
  bool is_over() const { return (state == 'Z' || state == 'X') && threads <= 1; }
};

ProcessStat stat_of(int pid) {
  constexpr int kThreads = 17, kStart = 19;  // fields behind the state, the first one
  ProcessStat result;
  std::string text = text_of_file(absl::StrCat("/proc/", pid, "/stat"));
  size_t name_end = text.rfind(") ");  // a name may hold that, too
  if (name_end == std::string::npos || name_end + 2 >= text.size()) return result;
  const char* at = text.c_str() + name_end + 2;
  char state = *at;
  int field = 0;
  for (at++; *at != 0; field++) {
    char* end;
    uint64_t value = strtoull(at, &end, 10);
    if (end == at) break;
    if (field + 1 == kThreads) result.threads = static_cast<int>(value);
    if (field + 1 == kStart) result.start = value;
    result.exit_code = static_cast<int>(value);  // of the last one
    at = end;
  }
  if (field >= kStart) result.state = state;
  return result;
}

bool end_of_zombie(int pid, ProcessEnd* end) {
  std::string folder = absl::StrCat("/proc/", pid);
  struct stat status = {};
  if (stat(folder.c_str(), &status) != 0 || (geteuid() != 0 && status.st_uid != geteuid())) {
    return false;
  }
  ProcessStat process = stat_of(pid);
  if (process.state != 'Z') return false;
  *end = {true, process.exit_code};
  return true;
}

// Nothing but a pidfd has both lines: its process in the namespace of /proc, and in those below.
// Pid is 0 for one that cannot be seen, -1 for one that is gone.
std::optional<int> number_of_pidfd(int fd) {
  std::string about = text_of_file(absl::StrCat("/proc/self/fdinfo/", fd));
  constexpr std::string_view kPid = "\nPid:\t", kNested = "\nNSpid:\t";
  size_t found = about.find(kPid);
  if (found == std::string::npos || about.find(kNested) == std::string::npos) return std::nullopt;
  return atoi(about.c_str() + found + kPid.size());
}

}  // namespace

int open_pidfd(int pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

bool is_pidfd_of(int fd, int pid) {
  std::optional<int> number = number_of_pidfd(fd);
  return number.has_value() && (*number == pid || *number < 0);
}

bool has_its_number(int pidfd, int pid) {
  return number_of_pidfd(pidfd).value_or(pid) == pid;
}

bool pidfd_has_ended(int pidfd) {
  pollfd ready = {pidfd, POLLIN, 0};
  return poll(&ready, 1, 0) == 1 && (ready.revents & (POLLIN | POLLHUP)) != 0;
}

// Since Linux 6.9 each process has an inode of its own there; before, all pidfds share one.
bool may_be_same_process(int pidfd, int other) {
  struct stat a = {}, b = {};
  if (fstat(pidfd, &a) != 0 || fstat(other, &b) != 0) return true;
  return a.st_dev != b.st_dev || a.st_ino == b.st_ino;
}

ProcessEnd end_of(int pidfd, int pid) {
  ProcessEnd end;
  bool known = end_of_reaped(pidfd, &end) || end_of_zombie(pid, &end) || end_of_reaped(pidfd, &end);
  return known ? end : ProcessEnd{};
}

uint64_t start_of(int pid) {
  return stat_of(pid).start;
}

bool has_ended(int pid, uint64_t start) {
  ProcessStat process = stat_of(pid);
  if (process.state != 0) return process.is_over() || (start != 0 && process.start != start);
  // Not to be seen: gone, or hidden (hidepid).
  return kill(pid, 0) != 0 && errno == ESRCH;
}

uint64_t pid_namespace_of(int pid) {
  struct stat status = {};
  std::string path = absl::StrCat("/proc/", pid, "/ns/pid");
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace telinject::drain
