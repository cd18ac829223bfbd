// When a thread was ready to run and another one ran, exactly, where the kernel tells: it writes
// each switch of the thread into a ring that we map (perf_event_open(2), a software event without a
// count). The kernel decides who may ask: root always, others by kernel.perf_event_paranoid (2 or
// less) for their own processes.
//
// A preemption becomes a control record (ControlKind::kPreempted) in a run of the thread's shadow
// lane, so that it is packed, spooled and recorded as the lane's own records are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "shim/channel/layout.h"
#include "shim/drain/records/clock_map.h"
#include "shim/drain/records/record_memory.h"
#include "shim/drain/records/shadow_lane.h"

namespace telinject::drain {

// The kernel's ring of one thread: it fills from when it was opened.
class SwitchRing {
 public:
  // Null if that cannot be done; `refused`: for no thread, then. `thread` and `process` are ids of
  // this process's PID namespace. Threads of other users' processes are passed over.
  static std::unique_ptr<SwitchRing> open(int process, int thread, bool* refused);
  ~SwitchRing();
  SwitchRing(const SwitchRing&) = delete;
  SwitchRing& operator=(const SwitchRing&) = delete;

 private:
  friend class ContextSwitches;
  SwitchRing(int fd, std::byte* base) : fd_(fd), base_(base) {}

  int fd_;
  std::byte* base_;
  uint64_t preempted_ns_ = 0;  // CLOCK_MONOTONIC, when the thread was put off; 0: it was not
};

class ContextSwitches {
 public:
  // More threads at once are not watched: each takes a descriptor and 36 KiB.
  static constexpr size_t kMostThreads = 64;

  explicit ContextSwitches(ClockKind clock);

  // From now on the lane's thread is watched, if that can be done: as SwitchRing::open() has it.
  void watch(uint32_t segment, uint32_t lane, int process, int thread);
  // The same with a ring that was opened before.
  void watch(uint32_t segment, uint32_t lane, std::unique_ptr<SwitchRing> ring);
  void forget(uint32_t segment, uint32_t lane);

  // The thread's preemptions that have ended since the last call, as records; none: no bytes.
  // `records`: how many bytes of them.
  RecordBytes read(uint32_t segment, uint32_t lane, RecordMemory* memory);

 private:
  uint64_t ticks_of(uint64_t monotonic_ns, const ClockAnchor& now) const;

  ClockKind clock_;
  ClockAnchor first_;
  bool refused_ = false;  // by the kernel, for all
  std::map<std::pair<uint32_t, uint32_t>, std::unique_ptr<SwitchRing>> rings_;
};

}  // namespace telinject::drain
