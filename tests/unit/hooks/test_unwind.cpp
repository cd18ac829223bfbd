// Frames that are left without an exit, and what hooks that were left with them had reserved.
#include "hooks/calls/unwind.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "hooked_thread.h"
#include "hooks/lane/chunks.h"
#include "hooks/lane/space.h"

namespace telinject::test::unwind_test {
using namespace program;
namespace {

using Records = std::vector<std::string>;

// A longjmp, called at one depth, to a frame at another.
void jump(unsigned from, unsigned to) {
  note_unwind(UnwindKind::kLongjmp, nullptr, frame(to), 0x400, frame(from));
}

}  // namespace

TEST_CASE("a jump is recorded with its target, and the calls above it stay") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.enter('b', 2);
  thread.forget();
  jump(3, 1);
  CHECK(thread.records() == Records{"unwind"});
  HookedThread::Control unwind = thread.last(ControlKind::kUnwind);
  CHECK(unwind_kind(unwind.a) == UnwindKind::kLongjmp);
  CHECK(unwind.b == 0x400);
  CHECK(unwind.c == frame(1));
  thread.forget();
  thread.enter('c', 2);
  CHECK(thread.records() == Records{"c"});
}

TEST_CASE("a jump above the root ends it: the next call is another one") {
  HookedThread thread;
  thread.enter('a', 3);
  jump(4, 2);
  thread.forget();
  thread.enter('b', 3);
  CHECK(thread.records() == Records{"root", "b"});
}

TEST_CASE("a jump out of a call that is left out ends that") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.fill_chunk();
  thread.forget();
  thread.allow(1);
  thread.enter('b', 3);
  thread.allow(8);
  jump(4, 2);
  thread.enter('c', 3);
  CHECK(thread.records() == Records{"lost", "unwind", "c"});
}

TEST_CASE("nothing is recorded where no call is open, or none is sampled") {
  HookedThread thread;
  jump(2, 1);  // no lane yet
  CHECK(t_hook.lane == nullptr);
  thread.lane();
  thread.forget();
  jump(2, 1);
  g_process.sampling_threshold = kNoneSampled;
  thread.enter('a', 1);
  jump(2, 1);
  CHECK(thread.records() == Records{});
}

TEST_CASE("a hook that a handler left for good gives its room up") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.enter('b', 2);
  thread.forget();
  thread.enter_unfinished();  // interrupted
  SECTION("by an instrumented handler") {
    thread.enter('h', 12);
    jump(13, 2);
    CHECK(thread.records() == Records{"void", "void", "h", "unwind"});
  }
  SECTION("by one that is not") {
    jump(13, 2);
    CHECK(thread.records() == Records{"void", "void", "unwind"});
  }
}

TEST_CASE("a handler that jumps within itself leaves the hook that it interrupted alone") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.forget();
  thread.enter_unfinished();
  thread.enter('h', 12);
  thread.enter('i', 13);
  jump(14, 13);
  CHECK(thread.records() == Records{"hole", "hole", "h", "i", "unwind"});
  SECTION("until it leaves, too") {
    jump(14, 1);
    CHECK(thread.records() == Records{"void", "void", "h", "i", "unwind", "unwind"});
  }
  SECTION("and another handler's, which is left") {
    thread.enter_unfinished();
    thread.enter('k', 24);
    jump(25, 13);
    CHECK(thread.records() ==
          Records{"hole", "hole", "h", "i", "unwind", "void", "void", "k", "unwind"});
  }
}

TEST_CASE("what is below the first hole needs no second look") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.enter('b', 2);
  uint64_t end = lane_position(0, t_hook.cursor - t_hook.lane->base);
  jump(3, 1);
  CHECK(thread.lane()->clean == end);
  uint64_t hole = thread.enter_unfinished();
  thread.enter('h', 12);
  jump(13, 12);
  CHECK(thread.lane()->clean > end);
  CHECK(thread.lane()->clean <= hole);
}

TEST_CASE("a hole in the chunk before is found") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.enter('a', 1);
  thread.fill_chunk();
  thread.forget();
  thread.enter_unfinished();  // in the spill
  REQUIRE(make_room(lane, kEntryBytes, /*for_entry=*/true));
  thread.enter('h', 12);
  jump(13, 1);
  CHECK(thread.records() == Records{"void", "void", "h", "unwind"});
  CHECK(position_number(lane->clean) == 1);
}

TEST_CASE("a handler that leaves the slow path for good releases it and completes its change") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.enter('a', 1);
  uint32_t taken = take_chunk(lane, /*for_entry=*/true);
  lane->header->taking = taken + 1;
  lane->busy_sp = frame(2);
  jump(13, 1);
  CHECK(lane->busy_sp == 0);
  CHECK(lane->header->taking == 0);
  CHECK(thread.free_chunks() == std::vector<uint32_t>{taken});
}

TEST_CASE("a handler that jumps within itself does not touch the slow path that it interrupted") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.forget();
  thread.lane()->busy_sp = frame(2);
  jump(13, 12);
  CHECK(thread.lane()->busy_sp == frame(2));
  CHECK(thread.records() == Records{});
}

TEST_CASE("without room a jump is pending; of those that lead to a handler the first counts") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.enter('a', 1);
  thread.fill_chunk();
  thread.use_all_chunks();
  thread.forget();
  note_unwind(UnwindKind::kHandler, reinterpret_cast<void*>(0x1230), frame(3), 0x401, frame(5));
  note_unwind(UnwindKind::kHandler, reinterpret_cast<void*>(0x4560), frame(2), 0x402, frame(5));
  jump(5, 2);
  CHECK(thread.records() == Records{});
  CHECK(lane->pending.closed_sp == frame(2));
  CHECK(lane->pending.closed_function == 0);
  CHECK(unwind_exception(lane->pending.landed_word) == 0x1230);
  CHECK(lane->pending.landed_sp == frame(3));
  thread.header()->chunks_in_use = 1;
  jump(5, 2);
  CHECK(thread.records() == Records{"unwind", "closed", "unwind"});
}

TEST_CASE("other events are recorded while calls are") {
  HookedThread thread;
  note_event(ControlKind::kExit, 1, frame(1));  // no lane
  thread.enter('a', 1);
  thread.forget();
  note_event(ControlKind::kWaited, 7, frame(2));
  CHECK(thread.records() == Records{"waited"});
  CHECK(thread.last(ControlKind::kWaited).c == frame(2));
  thread.forget();
  thread.lane()->mute = true;
  note_event(ControlKind::kWaited, 7, frame(2));
  CHECK(thread.records() == Records{});
}

}  // namespace telinject::test::unwind_test
