#include "shim/drain/collect/context_switches.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

#include "shim/channel/record.h"
#include "shim/drain/collect/descriptor_room.h"

namespace telinject::drain {

namespace {

constexpr size_t kDataBytes = 8 * kPageBytes;
constexpr size_t kMappedBytes = kPageBytes + kDataBytes;
constexpr uint32_t kSwitchRecord = 14;  // PERF_RECORD_SWITCH
constexpr uint16_t kSwitchOut = 1 << 13, kSwitchOutPreempt = 1 << 14;

// What the kernel writes: its header, and the time that was asked for.
struct SwitchRecord {
  perf_event_header header;
  uint64_t time;
};

int open_event(int thread) {
  perf_event_attr attributes = {};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_DUMMY;
  attributes.sample_type = PERF_SAMPLE_TIME;
  attributes.sample_id_all = 1;
  attributes.context_switch = 1;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  attributes.use_clockid = 1;
  attributes.clockid = CLOCK_MONOTONIC;
  return static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

// The program names its threads; those of another user it may not.
bool of_same_user(int process, int thread) {
  struct stat ours = {}, theirs = {};
  return stat(("/proc/" + std::to_string(process)).c_str(), &ours) == 0 &&
         stat(("/proc/" + std::to_string(thread)).c_str(), &theirs) == 0 &&
         ours.st_uid == theirs.st_uid;
}

// Out of a ring of kDataBytes, in which a record may run on at the start.
void copy_out(const std::byte* data, uint64_t at, void* to, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    static_cast<std::byte*>(to)[i] = data[(at + i) % kDataBytes];
  }
}

}  // namespace

ContextSwitches::ContextSwitches(ClockKind clock)
    : clock_(clock), first_(ClockMap::take_anchor(clock)) {}

std::unique_ptr<SwitchRing> SwitchRing::open(int process, int thread, bool* refused) {
  if (!of_same_user(process, thread)) return nullptr;
  int fd = open_event(thread);
  if (fd < 0) {
    *refused = errno != ESRCH && errno != EMFILE;
    return nullptr;
  }
  if (!is_plentiful(fd)) {
    close(fd);
    return nullptr;
  }
  void* base = mmap(nullptr, kMappedBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    *refused = true;
    close(fd);
    return nullptr;
  }
  return std::unique_ptr<SwitchRing>(new SwitchRing(fd, static_cast<std::byte*>(base)));
}

SwitchRing::~SwitchRing() {
  munmap(base_, kMappedBytes);
  close(fd_);
}

void ContextSwitches::watch(uint32_t segment, uint32_t lane, int process, int thread) {
  if (refused_ || rings_.size() >= kMostThreads) return;
  watch(segment, lane, SwitchRing::open(process, thread, &refused_));
}

void ContextSwitches::watch(uint32_t segment, uint32_t lane, std::unique_ptr<SwitchRing> ring) {
  if (ring != nullptr) rings_[{segment, lane}] = std::move(ring);
}

void ContextSwitches::forget(uint32_t segment, uint32_t lane) {
  rings_.erase({segment, lane});
}

uint64_t ContextSwitches::ticks_of(uint64_t monotonic_ns, const ClockAnchor& now) const {
  if (clock_ == ClockKind::kMonotonic) return monotonic_ns;
  double passed = static_cast<double>(now.monotonic_ns - first_.monotonic_ns);
  if (passed <= 0) return now.ticks;
  double rate = static_cast<double>(now.ticks - first_.ticks) / passed;
  double ago = static_cast<double>(now.monotonic_ns - static_cast<int64_t>(monotonic_ns));
  return now.ticks - static_cast<uint64_t>(static_cast<int64_t>(ago * rate));
}

RecordBytes ContextSwitches::read(uint32_t segment, uint32_t lane, RecordMemory* memory) {
  auto found = rings_.find({segment, lane});
  if (found == rings_.end()) return {};
  SwitchRing& ring = *found->second;
  auto* page = reinterpret_cast<perf_event_mmap_page*>(ring.base_);
  uint64_t head = std::atomic_ref(page->data_head).load(std::memory_order_acquire);
  uint64_t tail = page->data_tail;
  if (head == tail) return {};
  ClockAnchor now = ClockMap::take_anchor(clock_);
  std::vector<uint64_t> records;
  while (head - tail >= sizeof(perf_event_header)) {
    SwitchRecord record = {};
    copy_out(ring.base_ + kPageBytes, tail, &record.header, sizeof record.header);
    if (record.header.size < sizeof record.header || record.header.size > head - tail) break;
    bool is_switch = record.header.type == kSwitchRecord && record.header.size == sizeof record;
    if (is_switch) copy_out(ring.base_ + kPageBytes, tail, &record, sizeof record);
    tail += record.header.size;
    if (!is_switch) {
      // Records that found no room: what came before them says nothing of what follows.
      ring.preempted_ns_ = 0;
    } else if ((record.header.misc & kSwitchOut) != 0) {
      ring.preempted_ns_ = (record.header.misc & kSwitchOutPreempt) != 0 ? record.time : 0;
    } else if (uint64_t since = std::exchange(ring.preempted_ns_, 0);
               since != 0 && record.time > since) {
      uint64_t out = ticks_of(since, now), in = ticks_of(record.time, now);
      if (in <= out) continue;
      records.insert(records.end(), {in & kTicksMask, control_word(ControlKind::kPreempted, 0),
                                     ((in - out) & kTicksMask) | kSecondUnit, 0});
    }
  }
  std::atomic_ref(page->data_tail).store(head, std::memory_order_release);
  if (records.empty()) return {};
  return memory->copy(reinterpret_cast<const std::byte*>(records.data()),
                      records.size() * sizeof(uint64_t));
}

}  // namespace telinject::drain
