// What did not fit comes before the next record, in the order in which it happened.
#include "hooks/calls/pending.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "hooked_thread.h"
#include "hooks/calls/shared_stacks.h"
#include "hooks/calls/stacks.h"

namespace telinject::test::pending_test {
using namespace program;
namespace {

using Records = std::vector<std::string>;

// Writes what is pending; true if that took exactly the bytes that it said.
bool write_all(Lane* lane) {
  uintptr_t bytes = pending_bytes(lane), before = t_hook.cursor;
  write_pending(lane, 1);
  return t_hook.cursor - before == bytes;
}

}  // namespace

TEST_CASE("nothing is pending in a lane that has had room") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.forget();
  CHECK_FALSE(has_pending(lane));
  CHECK(pending_bytes(lane) == 0);
  write_pending(lane, 1);
  CHECK(thread.records() == Records{});
}

TEST_CASE("all that can be pending is written once, in order") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.forget();
  Pending& pending = lane->pending;
  pending.waited = 70;
  pending.lost = 3;
  pending.landed_word = unwind_word(UnwindKind::kHandler, 0x1230);
  pending.landed_pc = 0x400;
  pending.landed_sp = frame(2);
  pending.merged = 5;
  pending.closed_sp = frame(1);
  pending.closed_function = 'f';
  REQUIRE(has_pending(lane));
  CHECK(write_all(lane));
  CHECK(thread.records() == Records{"waited", "lost", "unwind", "closed"});
  CHECK(thread.last(ControlKind::kWaited).b == 70);
  CHECK(thread.last(ControlKind::kLost).c == 3);
  HookedThread::Control landed = thread.last(ControlKind::kUnwind);
  CHECK(unwind_kind(landed.a) == UnwindKind::kHandler);
  CHECK(unwind_exception(landed.a) == 0x1230);
  CHECK(landed.b == 0x400);
  CHECK(landed.c == frame(2));
  HookedThread::Control closed = thread.last(ControlKind::kClosed);
  CHECK(closed.a == 'f');
  CHECK(closed.b == 5);
  CHECK(closed.c == frame(1));
  CHECK_FALSE(has_pending(lane));
  CHECK(pending.merged == 0);
}

TEST_CASE("each alone makes room for itself") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.forget();
  SECTION("a wait") {
    lane->pending.waited = 1;
  }
  SECTION("lost calls") {
    lane->pending.lost = 1;
  }
  SECTION("a catch") {
    lane->pending.landed_word = unwind_word(UnwindKind::kHandler, 16);
  }
  SECTION("ends") {
    lane->pending.closed_sp = frame(2);
  }
  CHECK(has_pending(lane));
  CHECK(pending_bytes(lane) == kControlBytes);
  CHECK(write_all(lane));
  CHECK(thread.records().size() == 1);
  CHECK_FALSE(has_pending(lane));
}

TEST_CASE("the drain is told of another stack once, and whether that is a new one") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.forget();
  uintptr_t lo = 0x10000000, hi = lo + 0x10000;
  add_shared_stack(lo, hi, /*exact=*/true);
  select_stack(lane, hi - 64);
  REQUIRE(has_pending(lane));
  CHECK(write_all(lane));
  CHECK(thread.records() == Records{"stack"});
  HookedThread::Control told = thread.last(ControlKind::kStack);
  CHECK(told.a == hi - lo);
  CHECK(told.b == lo);
  CHECK(told.c == kStackIsNew);
  CHECK_FALSE(has_pending(lane));
  // Back, and there again: it is not new any more.
  select_stack(lane, frame(1));
  CHECK(write_all(lane));
  CHECK(thread.last(ControlKind::kStack).b == kStackTop - kStackBytes);
  select_stack(lane, hi - 64);
  CHECK(write_all(lane));
  CHECK(thread.last(ControlKind::kStack).c == 0);
}

TEST_CASE("a stack that was left without a call there is told of as well") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.forget();
  uintptr_t first = 0x10010000, second = 0x20010000;
  add_shared_stack(first - 0x10000, first, /*exact=*/true);
  add_shared_stack(second - 0x10000, second, /*exact=*/true);
  select_stack(lane, first - 64);
  select_stack(lane, second - 64);
  CHECK(pending_bytes(lane) == 2 * kControlBytes);
  CHECK(write_all(lane));
  CHECK(thread.records() == Records{"stack", "stack"});
  CHECK(thread.last(ControlKind::kStack).b == second - 0x10000);
}

}  // namespace telinject::test::pending_test
