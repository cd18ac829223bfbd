#include "shim/drain/collect/run_delay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "shim/channel/clock.h"
#include "shim/drain/records/clock_map.h"

namespace telinject::drain {

namespace {

bool execute_the_same(int a, int b) {
  struct stat one = {}, other = {};
  return stat(absl::StrCat("/proc/", a, "/exe").c_str(), &one) == 0 &&
         stat(absl::StrCat("/proc/", b, "/exe").c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

std::string schedstat_path(int process, int process_in_program, int thread) {
  // In another PID namespace the program's numbers mean nothing here.
  if (process <= 0 || process != process_in_program || thread <= 0) return "";
  std::string path = absl::StrCat("/proc/", process, "/task/", thread, "/schedstat");
  if (access(path.c_str(), R_OK) == 0) return path;
  // A forked child's, which may have a namespace of its own after all: then that number is another
  // program's here.
  if (!execute_the_same(process, thread)) return "";
  path = absl::StrCat("/proc/", thread, "/task/", thread, "/schedstat");
  return access(path.c_str(), R_OK) == 0 ? path : "";
}

bool read_schedstat(const std::string& path, uint64_t* running_ns, uint64_t* delayed_ns) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[96];
  ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return false;
  text[size] = '\0';
  uint64_t slices = 0;
  // A kernel that does not count says 0.
  return sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, running_ns, delayed_ns, &slices) == 3 &&
         *running_ns != 0;
}

void RunDelaySampler::wrote(uint32_t segment, uint32_t lane, int process, int process_in_program,
                            uint32_t owner_word) {
  uint64_t now = monotonic_ns();
  auto [found, is_new] = files_.try_emplace({segment, lane});
  ThreadFile& file = found->second;
  if (is_new) {
    file.path =
        schedstat_path(process, process_in_program, static_cast<int>(owner_word & kOwnerTidMask));
  }
  if (file.path.empty() || now < file.next_ns) return;
  if (now >= interval_ends_ns_) {
    interval_ends_ns_ = now + kIntervalNs;
    left_ = kMostInInterval;
  }
  if (left_ == 0) return;
  left_--;
  file.next_ns = now + kIntervalNs;
  sample(segment, lane, &file);
}

void RunDelaySampler::ended(uint32_t segment, uint32_t lane) {
  auto found = files_.find({segment, lane});
  if (found == files_.end()) return;
  if (!found->second.path.empty()) sample(segment, lane, &found->second);
  files_.erase(found);
}

void RunDelaySampler::sample(uint32_t segment, uint32_t lane, ThreadFile* file) {
  RunDelaySample sample = {segment, lane, ClockMap::now(clock_), 0, 0, 0};
  if (!read_schedstat(file->path, &sample.running_ns, &sample.delayed_ns)) {
    file->path.clear();
    return;
  }
  sample.after = ClockMap::now(clock_);
  samples_.push_back(sample);
}

}  // namespace telinject::drain
