// Room in a lane: the way from chunk to chunk, what entries and exits get, and when a thread waits.
#include "hooks/lane/space.h"

#include <pthread.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <functional>
#include <thread>
#include <vector>

#include "hooked_thread.h"
#include "hooks/lane/chunks.h"
#include "hooks/lane/record_writer.h"

namespace telinject::test::space_test {
using namespace program;
namespace {

using Chunks = std::vector<uint32_t>;

constexpr bool kEntry = true, kExit = false;

// What a signal handler found in Lane::busy_sp.
std::atomic<uintptr_t> g_seen_busy;

// Does something to the segment once a producer wants room, as a drain would.
class FakeDrain {
 public:
  FakeDrain(SegmentHeader* header, std::function<void(SegmentHeader*)> answer)
      : thread_([this, header, answer = std::move(answer)] {
          while (!stop_ && header->room_wanted == 0) std::this_thread::yield();
          if (!stop_) answer(header);
        }) {}
  ~FakeDrain() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a lane goes on in another chunk when one is full, and says where the first one ends") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.fill_chunk();
  uintptr_t end = t_hook.cursor;
  CHECK(lane->header->open == 0);
  REQUIRE(make_room(lane, kEntryBytes, kEntry));
  CHECK(thread.chunks() == Chunks{0, 1});
  CHECK(thread.segment.entry(0)->end == kChunkBytes - kSpillBytes);
  CHECK(thread.segment.entry(1)->lane == lane->index);
  CHECK(thread.segment.entry(1)->number == 1);
  CHECK(lane->header->open == 1);
  CHECK(lane->header->taking == 0);
  CHECK(lane->previous_end == end);
  CHECK(t_hook.cursor == lane->base);
  CHECK(lane->granted == kEntryBytes);
  CHECK_FALSE(lane->only_exits);
}

TEST_CASE("the longest message fits into an empty chunk") {
  HookedThread thread;
  Lane* lane = thread.lane();
  reserve(kEntryBytes);
  CHECK(make_room(lane, kMaxMessageRoom, kExit));
  CHECK(thread.chunks() == Chunks{0, 1});
}

TEST_CASE("without room for entries exits go on in a chunk of their own, until that ends, too") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.fill_chunk();
  thread.allow(1);
  CHECK_FALSE(make_room(lane, kEntryBytes, kEntry));
  CHECK(thread.chunks() == Chunks{0});
  REQUIRE(make_room(lane, kExitBytes, kExit));
  CHECK(thread.chunks() == Chunks{0, 1});
  CHECK(lane->only_exits);
  CHECK(lane->entry_limit == 0);
  CHECK_FALSE(make_room(lane, kEntryBytes, kEntry));  // though there is room
  CHECK(make_room(lane, kExitBytes, kExit));
  thread.fill_chunk();
  thread.use_all_chunks();
  CHECK_FALSE(make_room(lane, kExitBytes, kExit));
  CHECK(lane->granted == 0);
}

TEST_CASE("entries get room again, in the exits' chunk, once the drain has given some back") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.fill_chunk();
  thread.allow(1);
  REQUIRE(make_room(lane, kExitBytes, kExit));
  thread.allow(8);
  CHECK(make_room(lane, kEntryBytes, kEntry));
  CHECK(thread.chunks() == Chunks{0, 1});
  CHECK_FALSE(lane->only_exits);
  CHECK(lane->entry_limit == lane->exit_limit);
}

TEST_CASE("a change that a handler left before the cursor had moved gives its chunk back") {
  HookedThread thread;
  Lane* lane = thread.lane();
  reserve(kEntryBytes);
  uint32_t taken = take_chunk(lane, kEntry);
  lane->header->taking = taken + 1;
  lane->change = {t_hook.cursor, lane->base, chunk_address(taken), lane->chunk, taken, 1};
  finish_change(lane);
  CHECK(thread.chunks() == Chunks{0});
  CHECK(lane->header->taking == 0);
  CHECK(thread.free_chunks() == Chunks{taken});
  CHECK(lane->change.from == 0);
}

TEST_CASE("a change that a handler left behind the move of the cursor is completed") {
  HookedThread thread;
  Lane* lane = thread.lane();
  reserve(kEntryBytes);
  uintptr_t end = t_hook.cursor;
  uint32_t taken = take_chunk(lane, kEntry);
  lane->header->taking = taken + 1;
  thread.segment.entry(taken)->number = 1;
  lane->change = {end, lane->base, chunk_address(taken), lane->chunk, taken, 1};
  t_hook.cursor = chunk_address(taken);
  reserve(kEntryBytes);  // the handler's
  finish_change(lane);
  CHECK(thread.chunks() == Chunks{0, taken});
  CHECK(thread.segment.entry(0)->end == end - lane->previous_base);
  CHECK(lane->chunk == taken);
  CHECK(thread.free_chunks().empty());
  finish_change(lane);  // again: nothing
  CHECK(thread.chunks() == Chunks{0, taken});
}

TEST_CASE("nested hooks may use the spill but for its last kilobyte, and not what was granted") {
  HookedThread thread;
  Lane* lane = thread.lane();
  CHECK(has_nested_room(lane, kEntryBytes));
  thread.fill_chunk();
  uintptr_t left = kSpillBytes - kGuardBytes;
  CHECK(has_nested_room(lane, left));
  CHECK_FALSE(has_nested_room(lane, left + 1));
  lane->granted = kControlBytes;
  CHECK(has_nested_room(lane, left - kControlBytes));
  CHECK_FALSE(has_nested_room(lane, left));
}

TEST_CASE("in the dropping mode a thread does not wait when no room is to come") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.fill_chunk();
  thread.allow(1);
  CHECK_FALSE(make_room(lane, kEntryBytes, kEntry));
  CHECK(lane->pending.waited == 0);
  CHECK(thread.header()->room_wanted == 0);
}

TEST_CASE("in the dropping mode a thread waits a moment for room that is to come, once") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.header()->room_comes = 1;
  thread.fill_chunk();
  thread.allow(1);
  CHECK_FALSE(make_room(lane, kEntryBytes, kEntry));
  uint64_t waited = lane->pending.waited;
  CHECK(waited > 0);
  CHECK(lane->gave_up_waiting);
  CHECK_FALSE(make_room(lane, kEntryBytes, kEntry));
  CHECK(lane->pending.waited == waited);
  // There was room for a while: the next time it waits again.
  thread.allow(2);
  REQUIRE(make_room(lane, kEntryBytes, kEntry));
  CHECK_FALSE(lane->gave_up_waiting);
}

TEST_CASE("a thread that waits goes on when the drain gives room") {
  HookedThread thread(kBlock);
  Lane* lane = thread.lane();
  thread.fill_chunk();
  thread.allow(1);
  FakeDrain drain(thread.header(), [](SegmentHeader* header) { header->entry_chunks = 2; });
  CHECK(make_room(lane, kEntryBytes, kEntry));
  CHECK(thread.chunks() == Chunks{0, 1});
  CHECK(lane->pending.waited > 0);
  CHECK_FALSE(lane->gave_up_waiting);
}

TEST_CASE("a thread that waits gives up when the drain ends, and waits no more") {
  HookedThread thread(kBlock);
  Lane* lane = thread.lane();
  thread.fill_chunk();
  thread.allow(1);
  FakeDrain drain(thread.header(), [](SegmentHeader* header) { header->drain.word = kOwnerDied; });
  CHECK_FALSE(make_room(lane, kEntryBytes, kEntry));
  CHECK(g_process.drain_gone == 1);
  CHECK(drain_has_gone());
  CHECK_FALSE(make_room(lane, kEntryBytes, kEntry));
}

TEST_CASE("while a thread waits, handlers find no slow path under way") {
  HookedThread thread(kBlock);
  Lane* lane = thread.lane();
  thread.fill_chunk();
  thread.allow(1);
  lane->busy_sp = frame(3);
  g_seen_busy = frame(3);
  signal(SIGUSR1, [](int) { g_seen_busy = t_hook.lane->busy_sp; });
  pthread_t self = pthread_self();
  {
    FakeDrain drain(thread.header(), [&](SegmentHeader* header) {
      while (g_seen_busy != 0) {
        pthread_kill(self, SIGUSR1);
        std::this_thread::yield();
      }
      header->entry_chunks = 2;
    });
    CHECK(make_room(lane, kEntryBytes, kEntry));
  }
  signal(SIGUSR1, SIG_DFL);
  CHECK(g_seen_busy == 0);
  CHECK(lane->busy_sp == frame(3));
}

TEST_CASE("a thread whose first chunk is not to be had has no lane") {
  HookedThread thread;
  thread.use_all_chunks();
  CHECK(thread.attach() == nullptr);
  CHECK(thread.lost(LossReason::kQueueFull) == 1);
  CHECK(thread.header()->claimed[0] == 0);
}

TEST_CASE("the bell is rung for a drain that sleeps, without a system call under a filter never") {
  HookedThread thread;
  thread.lane();
  SegmentHeader* header = thread.header();
  uint32_t before = header->doorbell;
  ring_doorbell();
  CHECK(header->doorbell == before);  // it is awake
  header->drain_asleep = 1;
  g_process.restricted = 1;
  ring_doorbell();
  CHECK(header->doorbell == before);
  g_process.restricted = 0;
  ring_doorbell();
  CHECK(header->doorbell == before + 1);
  CHECK(header->drain_asleep == 0);
}

TEST_CASE("a change of chunk rings when as many chunks wait as the drain wants") {
  HookedThread thread;
  Lane* lane = thread.lane();
  SegmentHeader* header = thread.header();
  header->bell_chunks = 2;
  header->drain_asleep = 1;
  thread.fill_chunk();
  REQUIRE(make_room(lane, kEntryBytes, kEntry));
  CHECK(header->drain_asleep == 1);
  thread.fill_chunk();
  REQUIRE(make_room(lane, kEntryBytes, kEntry));
  CHECK(header->drain_asleep == 0);
}

}  // namespace telinject::test::space_test
