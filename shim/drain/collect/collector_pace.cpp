// How long the collector rests between two rounds, and what wakes it.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "shim/channel/clock.h"
#include "shim/drain/collect/collector.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

namespace telinject::drain {

namespace {

// Between two rounds. After a round that has found much the nap is the shortest. Where there is
// little it grows: each waking is time that the program may want, on a machine with few cores. A
// program that writes much after all rings the doorbell.
constexpr uint64_t kShortestNapNs = 50000, kLongestNapNs = 50 * kMillisecond;
constexpr size_t kLittleBytes = 16 * 1024, kMuchBytes = 64 * 1024;
// Where it shares the program's core.
constexpr uint64_t kSharedNapNs = 5 * kMillisecond;
constexpr uint64_t kFullPauseNs = 200000;  // the queue has no room
// This long without a record before the collector sleeps until it is rung.
constexpr uint64_t kQuietNs = 20 * kMillisecond;
constexpr uint64_t kSleepNs = 100 * kMillisecond;
constexpr uint64_t kStuckNs = 10000 * kMillisecond;

void sleep_ns(uint64_t ns) {
  timespec time = {0, static_cast<long>(ns)};
  nanosleep(&time, nullptr);
}

// linux/futex.h of Linux 5.16.
struct FutexWaiter {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};
constexpr uint32_t kFutex32 = 2;
constexpr size_t kMaxFutexes = 128;

}  // namespace

void Collector::beat() {
  uint64_t now = monotonic_ns();
  uint64_t progressed = progress_->load(std::memory_order_relaxed);
  if (progressed != progress_seen_ || !queue_->full()) {
    progress_seen_ = progressed;
    progress_ns_ = now;
  }
  if (now - last_beat_ns_ < kMillisecond || now - progress_ns_ > kStuckNs) return;
  last_beat_ns_ = now;
  for (auto& [id, segment] : segments_) {
    segment.view->header()->heartbeat.fetch_add(1, std::memory_order_relaxed);
  }
}

void Collector::pause_for_room() {
  sleep_ns(kFullPauseNs);
}

bool Collector::is_quiet() const {
  return monotonic_ns() - busy_ns_ >= kQuietNs;
}

void Collector::pause(size_t bytes_read) {
  if (bytes_read != 0) {
    busy_ns_ = monotonic_ns();
    idle_told_ = false;
  } else if (idle_told_) {
    return sleep_until_rung(kSleepNs);
  }
  nap_ns_ = std::max(nap_ns_, kShortestNapNs);
  if (bytes_read > kMuchBytes) nap_ns_ = kShortestNapNs;
  if (bytes_read < kLittleBytes) nap_ns_ = std::min(2 * nap_ns_, kLongestNapNs);
  if (!can_be_rung()) return sleep_ns(kShortestNapNs);
  if (shares_core_ && bytes_read >= kLittleBytes) return sleep_until_rung(kSharedNapNs);
  if (nap_ns_ == kShortestNapNs) return sleep_ns(kShortestNapNs);
  sleep_until_rung(nap_ns_);
}

bool Collector::can_be_rung() const {
  return segments_.size() < kMaxFutexes &&
         std::all_of(segments_.begin(), segments_.end(), [](const auto& each) {
           const OpenSegment& segment = each.second;
           return segment.view->header()->no_doorbell.load() == 0 &&
                  segment.flush_seen == segment.flushed->load();
         });
}

bool Collector::anything_written() {
  for (auto& [id, segment] : segments_) {
    SegmentHeader* header = segment.view->header();
    if (header->drain_asleep.load() == 0 || header->flush_requested.load() != segment.flush_seen ||
        segment.flushed->load() != header->flush_done.load()) {
      return true;
    }
  }
  return false;
}

void Collector::sleep_until_rung(uint64_t longest_ns) {
  FutexWaiter waiters[kMaxFutexes];
  size_t count = 0;
  bool poll = false;
  uint32_t wake = wake_.load();
  waiters[count++] = {wake, reinterpret_cast<uint64_t>(&wake_), kFutex32 | FUTEX_PRIVATE_FLAG, 0};
  for (auto& [id, segment] : segments_) {
    SegmentHeader* header = segment.view->header();
    poll = poll || header->no_doorbell.load() != 0 || count == kMaxFutexes ||
           segment.flush_seen != segment.flushed->load();
    if (count == kMaxFutexes) break;
    uint32_t bell = header->doorbell.load();
    header->drain_asleep.store(1);
    waiters[count++] = {bell, reinterpret_cast<uint64_t>(&header->doorbell), kFutex32, 0};
  }
  {
    std::lock_guard lock(mutex_);
    if (!commands_.empty()) return;
  }
  if (anything_written()) return;
  timespec until = {};
  clock_gettime(CLOCK_MONOTONIC, &until);
  uint64_t ns = static_cast<uint64_t>(until.tv_nsec) +
                (poll ? std::min(kMillisecond, longest_ns) : longest_ns);
  until.tv_sec += static_cast<time_t>(ns / 1000000000);
  until.tv_nsec = static_cast<long>(ns % 1000000000);
  long result = syscall(SYS_futex_waitv, waiters, count, 0, &until, CLOCK_MONOTONIC);
  if (result < 0 && errno == ENOSYS) sleep_ns(kMillisecond);  // before Linux 5.16
  bool rung = result >= 0;
  for (auto& [id, segment] : segments_) segment.view->header()->drain_asleep.store(0);
  idle_told_ = false;
  if (!rung) return;
  busy_ns_ = monotonic_ns();
  nap_ns_ = kShortestNapNs;
}

}  // namespace telinject::drain
