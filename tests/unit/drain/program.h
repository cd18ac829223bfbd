// A program as its side of the segment writes it: threads, calls. The functions are letters, by
// address.
#pragma once

#include <cstdint>
#include <cstring>

#include "tests/unit/drain/test_drain.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test {
using namespace drain;

constexpr uint64_t kTop = 0x7ffe000ff000;
constexpr ProcessEnd kExited = {true, 0};
constexpr ProcessEnd kKilled = {true, 9};

struct Program {
  TestSegment segment{8};
  uint64_t ticks = ClockMap::now(ClockKind::kMonotonic);

  // The beginning of a thread: what it says of itself.
  LaneWriter thread(uint32_t lane, int tid, uint64_t process = 1, uint64_t parent_process = 0,
                    TraceContext context = {}, RecordRef spawned_by = {}) {
    LaneWriter writer(&segment, lane);
    ThreadMessage message = {};
    message.pid = process == 1 ? kTestOsPid : static_cast<int>(process);
    message.tid = tid;
    message.process = process;
    message.parent_process = parent_process;
    message.context = context;
    message.spawned_by = spawned_by;
    message.stack_lo = 0x7ffe00000000;
    message.stack_hi = 0x7ffe00100000;
    std::memcpy(message.name, "worker", 6);
    writer.message(++ticks, MessageType::kThread, &message, sizeof message);
    return writer;
  }
  uint64_t enter(LaneWriter* lane, char name, uint64_t depth) {
    return lane->entry(++ticks, static_cast<uint64_t>(name), 0x5000 + depth, kTop - 64 * depth,
                       static_cast<uint64_t>(name) + 4);
  }
  void leave(LaneWriter* lane, char name, uint64_t depth) {
    lane->exit(++ticks, static_cast<uint64_t>(name), kTop - 64 * depth);
  }
  void root(LaneWriter* lane, uint64_t number, uint64_t flags = 0) {
    lane->control(++ticks, ControlKind::kRoot, flags, number);
  }
};

}  // namespace telinject::test
