// The slow path on whole calls: what a lane without room leaves out, what a root is, what hooks do
// that interrupt another.
#include "hooks/calls/slow_path.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "hooked_thread.h"

namespace telinject::test::slow_path_test {
using namespace program;
namespace {

using Records = std::vector<std::string>;

// No room for entries, some for exits.
struct FullThread : HookedThread {
  FullThread() {
    enter('a', 1);
    fill_chunk();
    forget();
    allow(1);
  }
};

}  // namespace

TEST_CASE("a call and what it calls are between a root and its end") {
  HookedThread thread;
  thread.lane();
  thread.forget();
  thread.enter('a', 1);
  thread.enter('b', 2);
  thread.leave('b', 2);
  thread.leave('a', 1);
  thread.enter('c', 1);
  CHECK(thread.records() == Records{"root", "a", "b", "b.", "a.", "root", "c"});
  CHECK(thread.last(ControlKind::kRoot).b == 2);
}

TEST_CASE("whole calls are left out: nothing below one that found no room is recorded") {
  FullThread thread;
  thread.enter('b', 2);
  thread.allow(8);
  thread.enter('c', 3);  // there is room, but it is called by b
  thread.leave('c', 3);
  thread.leave('b', 2);
  CHECK(thread.records() == Records{});
  thread.enter('d', 2);
  CHECK(thread.records() == Records{"lost", "d"});
  CHECK(thread.last(ControlKind::kLost).c == 2);
  CHECK(thread.lane()->header->lost_calls == 2);
}

TEST_CASE("calls that are inlined into one that is left out are left out, too") {
  FullThread thread;
  thread.enter('b', 2);
  thread.allow(8);
  thread.enter('i', 2);  // the same frame and call site, but another place in the code
  thread.leave('i', 2);
  thread.leave('b', 2);
  CHECK(thread.records() == Records{});
  CHECK(thread.lane()->header->lost_calls == 2);
  thread.enter('c', 2);
  CHECK(thread.records() == Records{"lost", "c"});
}

TEST_CASE("a call that was left without an exit is left out no longer than its frame is there") {
  FullThread thread;
  thread.enter('b', 3);
  thread.allow(8);
  thread.enter('c', 2);
  CHECK(thread.records() == Records{"lost", "c"});
}

TEST_CASE("the ends of open calls are recorded while there is no room for new ones") {
  FullThread thread;
  thread.enter('b', 2);
  thread.leave('b', 2);
  thread.leave('a', 1);
  CHECK(thread.records() == Records{"lost", "a."});
}

TEST_CASE("without any room ends are one record, later") {
  FullThread thread;
  thread.use_all_chunks();
  thread.leave('x', 2);
  thread.leave('a', 1);
  CHECK(thread.records() == Records{});
  CHECK(thread.lane()->header->merged_exits == 2);
  thread.header()->chunks_in_use = 1;
  thread.allow(8);
  thread.enter('b', 1);
  CHECK(thread.records() == Records{"closed", "root", "b"});
  HookedThread::Control closed = thread.last(ControlKind::kClosed);
  CHECK(closed.a == 'a');
  CHECK(closed.b == 2);
  CHECK(closed.c == frame(1));
}

TEST_CASE("below a root that is not sampled nothing is recorded, and the fast path is told") {
  HookedThread thread;
  thread.lane();
  thread.forget();
  g_process.sampling_threshold = kNoneSampled;
  thread.enter('a', 1);
  thread.enter('b', 2);
  CHECK(thread.lane()->mute);
  thread.leave('b', 2);
  thread.leave('a', 1);
  CHECK(thread.records() == Records{});
  SECTION("the next root decides anew") {
    g_process.sampling_threshold = 0;
  }
  SECTION("unless all is recorded, for totals") {
    g_process.record_all = true;
  }
  thread.enter('c', 1);
  CHECK(thread.records() == Records{"root", "c"});
  CHECK_FALSE(thread.lane()->mute);
  uint64_t expected = g_process.record_all ? uint64_t{kRootNotSampled} : 0;
  CHECK(thread.last(ControlKind::kRoot).a == expected);
}

TEST_CASE("a root continues the context that its thread was born with") {
  HookedThread thread;
  t_spawn_context.context = {1, 2, 3, 1, 1};
  thread.enter('a', 1);
  CHECK(thread.last(ControlKind::kRoot).a == kRootInherited);
  CHECK(thread.lane()->stacks[0].root.context.span_id == 3);
}

TEST_CASE("the fast path takes calls below a root, and only while nothing is pending") {
  HookedThread thread;
  Lane* lane = thread.lane();
  CHECK(t_hook.entry_limit == 0);  // the next call is a root
  thread.enter('a', 1);
  CHECK(t_hook.entry_limit == lane->entry_limit);
  CHECK(t_hook.exit_limit == lane->exit_limit);
  CHECK(frame(2) - t_hook.stack_lo < t_hook.entry_span);
  CHECK(frame(1) - t_hook.stack_lo >= t_hook.entry_span);
  lane->pending.lost = 1;
  publish_hook_state(lane);
  CHECK(t_hook.entry_limit == 0);
  CHECK(t_hook.exit_limit == 0);
}

TEST_CASE("hooks that interrupt the slow path write bare records, or are counted") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.enter('a', 1);
  thread.forget();
  lane->busy_sp = frame(2);
  thread.enter('h', 12);
  thread.leave('h', 12);
  CHECK(thread.records() == Records{"h", "h."});
  CHECK(lane->busy_sp == frame(2));
  t_hook.cursor = lane->base + kChunkBytes - kUnitBytes;
  thread.enter('h', 12);
  CHECK(lane->header->lost_calls == 1);
}

TEST_CASE("a handler on another stack says where it is, and where the thread was") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.forget();
  thread.lane()->busy_sp = frame(2);
  // Nobody knows that stack, so the kernel is asked which thread this is: it is ours.
  thread.enter_at('h', 0x20000000);
  CHECK(thread.records() == Records{"stack", "h", "stack"});
  CHECK(thread.last(ControlKind::kStack).b == kStackTop - kStackBytes);
}

TEST_CASE("a slow path that was left for good is known by a frame above it") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.forget();
  thread.lane()->busy_sp = frame(5);
  thread.enter('b', 2);
  CHECK(thread.lane()->busy_sp == 0);
  CHECK(thread.records() == Records{"b"});
}

TEST_CASE("a child of fork claims a lane of its own and continues its parent's trace") {
  HookedThread thread;
  thread.enter('a', 1);
  uint64_t a = span_id(g_process.key, 0, thread.position('a'));
  g_alive.mask = 0;  // as the kernel leaves it in the child
  thread.enter('b', 2);
  REQUIRE(t_hook.lane != nullptr);
  CHECK(t_hook.lane->index == 1);
  CHECK(g_process.parent_id == 1);
  CHECK(t_hook.lane->context.span_id == a);
  CHECK(thread.last(ControlKind::kRoot).a == kRootInherited);
}

}  // namespace telinject::test::slow_path_test
