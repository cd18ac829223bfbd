// Chunks are taken from the pool and mapped, by several threads at once.
#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "hooked_thread.h"
#include "hooks/lane/chunks.h"

namespace telinject::test::chunks_test {
using namespace program;
namespace {

using Chunks = std::vector<uint32_t>;

constexpr bool kEntry = true, kExit = false;

}  // namespace

TEST_CASE("the chunk that was given back last is taken first, a new one when there is none") {
  HookedThread thread;
  Lane* lane = thread.lane();  // which has chunk 0
  CHECK(take_chunk(lane, kEntry) == 1);
  CHECK(take_chunk(lane, kEntry) == 2);
  return_chunk(1);
  return_chunk(2);
  CHECK(thread.free_chunks() == Chunks{2, 1});
  CHECK(thread.header()->chunks_in_use == 1);
  CHECK(take_chunk(lane, kEntry) == 2);
  CHECK(take_chunk(lane, kEntry) == 1);
  CHECK(take_chunk(lane, kEntry) == 3);
  CHECK(thread.header()->chunks_in_use == 4);
}

TEST_CASE("chunks behind the first group are mapped when they are taken, and are the segment's") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.header()->fresh_chunks = 2 * kFirstGroupChunks + 1;
  uint32_t chunk = take_chunk(lane, kEntry);
  REQUIRE(chunk == 2 * kFirstGroupChunks + 1);
  CHECK(g_process.chunk_base[1].load() != 0);  // of which the next group's mapping is made
  CHECK(g_process.chunk_base[3].load() == 0);
  *reinterpret_cast<char*>(chunk_address(chunk)) = 'c';
  CHECK(static_cast<char>(*thread.segment.chunk(chunk)) == 'c');
}

TEST_CASE("under a seccomp filter nothing is mapped, and the chunk goes back") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.header()->fresh_chunks = kFirstGroupChunks;
  g_process.restricted = 1;
  CHECK(take_chunk(lane, kEntry) == kNoChunk);
  CHECK(thread.free_chunks() == Chunks{kFirstGroupChunks});
  CHECK(thread.header()->chunks_in_use == 1);
}

TEST_CASE("what was mapped ahead can be used under a filter") {
  HookedThread thread;
  Lane* lane = thread.lane();
  map_ahead(3 * kFirstGroupChunks * uint64_t{kChunkBytes});
  thread.header()->fresh_chunks = 3 * kFirstGroupChunks - 1;
  g_process.restricted = 1;
  CHECK(take_chunk(lane, kEntry) == 3 * kFirstGroupChunks - 1);
}

TEST_CASE("entries end at the drain's limit, exits 64 chunks later") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.allow(4);
  SegmentHeader* header = thread.header();
  header->chunks_in_use = 3;
  CHECK(take_chunk(lane, kEntry) != kNoChunk);
  CHECK(take_chunk(lane, kEntry) == kNoChunk);
  CHECK(take_chunk(lane, kExit) != kNoChunk);
  header->chunks_in_use = 4 + kExitChunks - 1;
  CHECK(take_chunk(lane, kExit) != kNoChunk);
  CHECK(take_chunk(lane, kExit) == kNoChunk);
  CHECK(header->chunks_in_use == 4 + kExitChunks);  // a chunk in vain counts no more
}

TEST_CASE("one lane takes at most eight ninths of what the others have left") {
  HookedThread thread;
  Lane* lane = thread.lane();
  thread.allow(9);
  // Chunks in use, of which so many wait in this lane, and whether it may take another for entries.
  struct {
    uint32_t in_use, waiting;
    bool allowed;
  } cases[] = {{0, 0, true}, {8, 8, true}, {9, 0, false}, {8, 9, false}, {10, 1, false}};
  for (const auto& [in_use, waiting, allowed] : cases) {
    CAPTURE(in_use, waiting);
    thread.header()->chunks_in_use = in_use;
    lane->number = lane->header->taken + waiting;
    CHECK(entries_allowed(lane) == allowed);
  }
}

TEST_CASE("nothing is taken for a drain that has ended, nor when the pool is empty") {
  HookedThread thread;
  Lane* lane = thread.lane();
  SECTION("its end was marked by the kernel") {
    thread.header()->drain.word = kOwnerDied;
  }
  SECTION("a producer has given it up") {
    g_process.drain_gone = 1;
  }
  SECTION("all chunks were taken") {
    thread.header()->fresh_chunks = g_process.chunk_count;
  }
  uint32_t in_use = thread.header()->chunks_in_use;
  CHECK(take_chunk(lane, kExit) == kNoChunk);
  CHECK(thread.header()->chunks_in_use == in_use);
}

TEST_CASE("threads that take and return chunks at once never have the same one") {
  HookedThread process;
  Lane* lane = process.lane();
  std::vector<std::atomic<int>> users(process.segment.chunk_count());
  std::atomic<int> twice = 0, none = 0;
  auto work = [&] {
    for (int i = 0; i < 20000; i++) {
      uint32_t chunk = take_chunk(lane, kExit);
      if (chunk == kNoChunk) {
        none++;
        continue;
      }
      if (users[chunk].fetch_add(1) != 0) twice++;
      users[chunk].fetch_sub(1);
      return_chunk(chunk);
    }
  };
  std::thread other(work), third(work);
  work();
  other.join();
  third.join();
  CHECK(twice == 0);
  CHECK(none == 0);
  CHECK(process.header()->chunks_in_use == 1);
  CHECK(process.free_chunks().size() <= 3);
}

}  // namespace telinject::test::chunks_test
