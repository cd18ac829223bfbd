// Preemptions, as the kernel tells them.
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "shim/channel/record.h"
#include "shim/drain/collect/context_switches.h"

namespace telinject::test::context_switches_test {
using namespace drain;
namespace {

constexpr uint32_t kSegment = 1, kLane = 3;
constexpr uint64_t kMillisecond = 1000000;

void stay_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

uint64_t now_ns() {
  return ClockMap::now(ClockKind::kMonotonic);
}

// Works for so long of its own processor time; returns how often it was put off for another thread,
// as the kernel counts it.
long work(uint64_t ns) {
  rusage before = {}, after = {};
  getrusage(RUSAGE_THREAD, &before);
  timespec time = {};
  uint64_t start = 0, used = 0;
  do {
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    used = static_cast<uint64_t>(time.tv_sec) * 1000000000 + static_cast<uint64_t>(time.tv_nsec);
    if (start == 0) start = used;
  } while (used - start < ns);
  getrusage(RUSAGE_THREAD, &after);
  return after.ru_nivcsw - before.ru_nivcsw;
}

struct Preemptions {
  size_t count = 0;
  uint64_t sum = 0;
  bool ordered = true, within = true;
};

Preemptions read(ContextSwitches* switches, uint64_t from, uint64_t to) {
  static RecordMemory memory;
  RecordBytes bytes = switches->read(kSegment, kLane, &memory);
  Preemptions found;
  uint64_t last = 0;
  for (size_t at = 0; at < bytes.size(); at += kControlBytes) {
    uint64_t record[4];
    std::memcpy(record, bytes.data() + at, sizeof record);
    CHECK(is_control(record[1]));
    CHECK(control_kind(record[1]) == ControlKind::kPreempted);
    found.count++;
    found.sum += control_b(record[2]);
    found.ordered = found.ordered && record[0] >= last;
    found.within = found.within && record[0] - control_b(record[2]) >= from && record[0] <= to;
    last = record[0];
  }
  return found;
}

}  // namespace

TEST_CASE(
    "a thread that shares its processor is told to have been put off, for as long as it was") {
  ContextSwitches switches(ClockKind::kMonotonic);
  std::atomic<pid_t> thread{0};
  std::atomic<bool> go{false}, over{false};
  long counted = 0;
  uint64_t from = 0, to = 0;
  std::thread worker([&] {
    stay_on(0);
    thread = gettid();
    while (!go) sched_yield();
    from = now_ns();
    counted = work(60 * kMillisecond);
    to = now_ns();
  });
  while (thread == 0) sched_yield();
  switches.watch(kSegment, kLane, getpid(), thread);
  std::thread other([&] {
    stay_on(0);
    while (!over) {
    }
  });
  go = true;
  worker.join();
  over = true;
  other.join();
  Preemptions found = read(&switches, 0, ~uint64_t{0});
  // 60 ms of work on half a processor take 120 ms.
  REQUIRE(counted > 0);
  CHECK(found.count > 0);
  CHECK(found.ordered);
  uint64_t off = to - from - 60 * kMillisecond;
  CHECK(found.sum > off / 2);
  CHECK(found.sum < 2 * off + 10 * kMillisecond);
  CHECK(read(&switches, 0, ~uint64_t{0}).count == 0);
  switches.forget(kSegment, kLane);
  CHECK(read(&switches, 0, ~uint64_t{0}).count == 0);
}

TEST_CASE("a thread that sleeps is not put off") {
  ContextSwitches switches(ClockKind::kMonotonic);
  std::atomic<pid_t> thread{0};
  std::atomic<bool> go{false};
  long counted = 0;
  std::thread worker([&] {
    thread = gettid();
    while (!go) sched_yield();
    rusage before = {}, after = {};
    getrusage(RUSAGE_THREAD, &before);
    for (int i = 0; i < 20; i++) usleep(1000);
    getrusage(RUSAGE_THREAD, &after);
    counted = after.ru_nivcsw - before.ru_nivcsw;
  });
  while (thread == 0) sched_yield();
  switches.watch(kSegment, kLane, getpid(), thread);
  static RecordMemory memory;
  switches.read(kSegment, kLane, &memory);
  go = true;
  worker.join();
  CHECK(read(&switches, 0, ~uint64_t{0}).count <= static_cast<size_t>(counted) + 2);
}

TEST_CASE("threads that are not there, and those of others, are left alone") {
  ContextSwitches switches(ClockKind::kMonotonic);
  switches.watch(kSegment, kLane, getpid(), 0x3fffffff);
  switches.watch(kSegment, kLane, 0x3fffffff, gettid());
  CHECK(read(&switches, 0, ~uint64_t{0}).count == 0);
  switches.forget(kSegment, kLane);
}

}  // namespace telinject::test::context_switches_test
