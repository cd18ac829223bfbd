// The current span: the innermost call whose frame is still there, found by walking back.
#include "hooks/calls/context.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "hooked_thread.h"
#include "hooks/calls/shared_stacks.h"
#include "hooks/lane/record_writer.h"
#include "hooks/lane/space.h"

namespace telinject::test::context_test {
using namespace program;
namespace {

using Records = std::vector<std::string>;

// Of the lane's record at that position.
uint64_t span_at(uint64_t position) {
  return span_id(g_process.key, t_hook.lane->index, position);
}

TraceContext context_at(unsigned depth) {
  TraceContext context = {};
  REQUIRE(current_context(frame(depth), &context));
  return context;
}

uint64_t span_in(unsigned depth) {
  return context_at(depth).span_id;
}

}  // namespace

TEST_CASE("a thread without a call has the context that it was born with, or none") {
  HookedThread thread;
  TraceContext context = {};
  CHECK_FALSE(current_context(frame(1), &context));
  t_spawn_context.context = {1, 2, 3, 1, 1};
  REQUIRE(current_context(frame(1), &context));
  CHECK(context.span_id == 3);
  thread.lane();
  t_spawn_context.context = {};
  CHECK(span_in(1) == 3);
}

TEST_CASE("the innermost call is the current span") {
  HookedThread thread;
  thread.enter('a', 1);
  uint64_t a = span_at(thread.position('a'));
  CHECK(span_in(2) == a);
  thread.enter('b', 2);
  CHECK(span_in(3) == span_at(thread.position('b')));
  thread.enter('c', 3);
  thread.leave('c', 3);
  CHECK(span_in(3) == span_at(thread.position('b')));
  thread.leave('b', 2);
  CHECK(span_in(2) == a);
  TraceId id = trace_id(g_process.key, 0, 1);
  CHECK(context_at(2).trace_hi == id.hi);
  CHECK(context_at(2).trace_lo == id.lo);
  CHECK(context_at(2).sampled == 1);
  thread.leave('a', 1);
  TraceContext context = {};
  CHECK_FALSE(current_context(frame(2), &context));
}

TEST_CASE("a frame below the caller's is gone, exit or not") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.enter('b', 2);
  thread.enter('c', 4);
  CHECK(span_in(5) == span_at(thread.position('c')));
  CHECK(span_in(3) == span_at(thread.position('b')));
}

TEST_CASE("the walk goes on in the chunk before, and no further") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.enter('a', 1);
  thread.enter('b', 2);
  uint64_t b = span_at(thread.position('b'));
  auto next_chunk = [&] {
    uintptr_t limit = lane->base + kChunkBytes - kSpillBytes;
    for (unsigned i = 0; t_hook.cursor + kExitBytes <= limit; i++)
      publish(reserve(kExitBytes), kVoid);
    REQUIRE(make_room(lane, kEntryBytes, /*for_entry=*/true));
  };
  // 3,840 records of nothing: fewer than are looked at.
  next_chunk();
  CHECK(span_in(3) == b);
  next_chunk();
  CHECK(span_in(3) == span_at(lane->stacks[0].root.position));
}

TEST_CASE("the walk ends at a record that is not written; then the span is the root's") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.enter('b', 2);
  thread.enter_unfinished();
  CHECK(span_in(3) == span_at(thread.position('a')));
}

TEST_CASE("voids and control records are passed over") {
  HookedThread thread;
  thread.enter('a', 1);
  thread.enter('b', 2);
  publish(reserve(kUnitBytes), kVoid);
  put_control(reserve(kControlBytes), 1, ControlKind::kWaited, 0, 1, 0);
  CHECK(span_in(3) == span_at(thread.position('b')));
}

TEST_CASE("calls on another stack are not the current one's") {
  HookedThread thread;
  thread.enter('a', 1);
  uint64_t a = thread.position('a');
  uintptr_t lo = 0x10000000, hi = lo + 0x10000;
  add_shared_stack(lo, hi, /*exact=*/true);
  thread.enter_at('c', hi - 64);
  thread.enter_at('d', hi - 128);
  CHECK(span_in(2) == span_at(a));
  TraceContext there = {};
  REQUIRE(current_context(hi - 192, &there));
  CHECK(there.span_id == span_at(thread.position('d')));
  CHECK(there.trace_lo == context_at(2).trace_lo);  // it continues what ran before the switch
  // Their exits, too.
  thread.leave_at('d', hi - 128);
  CHECK(span_in(2) == span_at(a));
}

TEST_CASE("a trace that is not sampled has the id that its root would have, and no record") {
  HookedThread thread;
  g_process.sampling_threshold = kNoneSampled;
  thread.enter('a', 1);
  thread.forget();
  thread.enter('b', 2);
  TraceContext context = context_at(3);
  CHECK(context.sampled == 0);
  CHECK(context.span_id == span_at(t_hook.lane->stacks[0].root.position));
  CHECK(thread.records() == Records{});
}

TEST_CASE("while a thread serves a request its span is that, or a call that began since") {
  HookedThread thread;
  thread.enter('a', 1);
  Lane* lane = thread.lane();
  uint64_t position = lane_position(lane->number, t_hook.cursor - lane->base);
  serve(lane, {1, 2, 3, 1, 1}, position, 1, 1);
  CHECK(span_in(2) == 3);  // a waited for it
  thread.enter('b', 2);
  thread.enter('c', 3);
  TraceContext context = context_at(4);
  CHECK(context.span_id == span_at(thread.position('c')));
  CHECK(context.trace_lo == 2);
  SECTION("it ends") {
    stop_serving(lane);
  }
  SECTION("another thread ends it") {
    lane->served.over = 1;
  }
  context = context_at(4);
  CHECK(context.span_id == span_at(thread.position('c')));
  CHECK(context.trace_lo == trace_id(g_process.key, 0, 1).lo);
}

TEST_CASE("a child refers to a record; there is none where nothing is recorded") {
  HookedThread thread;
  CHECK(mark_record(ControlKind::kSpawn, frame(1)).segment == 0);
  thread.enter('a', 1);
  thread.forget();
  uint64_t position = lane_position(0, t_hook.cursor - t_hook.lane->base);
  RecordRef made = mark_record(ControlKind::kSpawn, frame(2));
  CHECK(made.segment == g_process.key.k0);
  CHECK(made.position == position);
  CHECK(thread.records() == Records{"spawn"});
  t_hook.lane->mute = true;
  CHECK(mark_record(ControlKind::kSpawn, frame(2)).segment == 0);
}

}  // namespace telinject::test::context_test
