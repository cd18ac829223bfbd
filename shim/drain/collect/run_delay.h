// How much of its time a thread was running, as the kernel's scheduler counts it
// (/proc/PID/task/TID/schedstat): samples, taken beside the program while it runs.
//
// A thread is sampled when it has written records, at most once in ten milliseconds, and all
// threads together at most so often that it takes less than two percent of one processor (a sample
// is opening, reading and closing a file: 4.5 us). What cannot be read is left out: threads that
// have ended, those of another PID namespace, a /proc that hides them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "shim/channel/layout.h"
#include "shim/drain/records/run_times.h"

namespace telinject::drain {

class RunDelaySampler {
 public:
  static constexpr uint64_t kIntervalNs = 10000000;
  static constexpr size_t kMostInInterval = 32;

  explicit RunDelaySampler(ClockKind clock) : clock_(clock) {}

  // The lane's thread has written records. `process`: the first of its segment, as this process
  // sees it, and as it sees itself; 0: not known.
  void wrote(uint32_t segment, uint32_t lane, int process, int process_in_program,
             uint32_t owner_word);
  // Its thread has ended: a last sample, if the kernel still knows it.
  void ended(uint32_t segment, uint32_t lane);

  // The samples that were taken since.
  std::vector<RunDelaySample> take() { return std::exchange(samples_, {}); }

 private:
  struct ThreadFile {
    std::string path;  // "": cannot be read
    uint64_t next_ns = 0;
  };

  void sample(uint32_t segment, uint32_t lane, ThreadFile* file);

  const ClockKind clock_;
  std::map<std::pair<uint32_t, uint32_t>, ThreadFile> files_;  // by segment and lane
  std::vector<RunDelaySample> samples_;
  uint64_t interval_ends_ns_ = 0;
  size_t left_ = 0;  // samples that may be taken until then
};

// Where the kernel tells of a thread; "" if it cannot be found, or might be another one. `process`
// and `process_in_program` as above, `thread` as the program sees it.
std::string schedstat_path(int process, int process_in_program, int thread);
// False if the file is gone, or the kernel keeps no count.
bool read_schedstat(const std::string& path, uint64_t* running_ns, uint64_t* delayed_ns);

}  // namespace telinject::drain
