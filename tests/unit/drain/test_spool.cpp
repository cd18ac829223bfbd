// Records that wait on disk.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>

#include "shim/drain/queue/batch_queue.h"
#include "shim/sinks/spool.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::spool_test {
using namespace drain;
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string read_from(Spool* spool, uint64_t offset, size_t size) {
  std::string text(size, '\0');
  CHECK(spool->read(offset, size, reinterpret_cast<std::byte*>(text.data())) == size);
  return text;
}

std::string text_of(const RecordBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Of no records, which packing does not make smaller.
Batch batch_of(char content, size_t bytes, RecordMemory* memory) {
  std::string text(bytes, content);
  Batch batch;
  batch.bytes = bytes;
  batch.watermark = static_cast<uint64_t>(content);
  // In two runs.
  size_t half = bytes / 2;
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  batch.runs.push_back({1, 0, {0, memory->copy(data, half)}});
  batch.runs.push_back({1, 1, {0, memory->copy(data + half, bytes - half)}});
  return batch;
}

}  // namespace

TEST_CASE("what is written is read back, once, in any order of sizes") {
  Workshop workshop;
  Spool spool(workshop.directory(), 1 << 20);
  CHECK(spool.has_room());
  std::string a(100, 'a'), b(70000, 'b'), c(16, 'c');
  uint64_t first = 0, second = 0, third = 0;
  REQUIRE(spool.write(bytes_of(a), &first));
  REQUIRE(spool.write(bytes_of(b), &second));
  REQUIRE(spool.write(bytes_of(c), &third));
  CHECK(spool.bytes() == a.size() + b.size() + c.size());
  CHECK(read_from(&spool, first, a.size()) == a);
  CHECK(read_from(&spool, second, b.size()) == b);
  CHECK(read_from(&spool, third, c.size()) == c);
  CHECK(spool.bytes() == 0);
  // Without a name: nothing is left behind.
  CHECK(std::filesystem::is_empty(workshop.directory()));
}

TEST_CASE("no room beyond the limit, nor without one, nor where nothing can be written") {
  Workshop workshop;
  std::string text(600, 'x');
  uint64_t offset = 0;
  Spool small(workshop.directory(), 1000);
  CHECK(small.write(bytes_of(text), &offset));
  small.write(bytes_of(text), &offset);
  CHECK_FALSE(small.has_room());
  CHECK_FALSE(Spool(workshop.directory(), 0).has_room());
  Spool nowhere(workshop.path("none"), 1 << 20);
  CHECK_FALSE(nowhere.write(bytes_of(text), &offset));
  CHECK_FALSE(nowhere.has_room());
}

TEST_CASE("a queue that is full goes on in its spool, and comes out in order") {
  Workshop workshop;
  Spool spool(workshop.directory(), 1 << 20);
  RecordMemory memory;
  constexpr size_t kBatch = 26624;
  BatchQueue queue(64000, &spool);
  for (char content = 'a'; content <= 'z'; content++) {
    CHECK_FALSE(queue.full());
    queue.push(batch_of(content, kBatch, &memory));
  }
  CHECK(queue.bytes() == 26 * kBatch);
  CHECK(spool.bytes() == 24 * kBatch);
  for (char content = 'a'; content <= 'z'; content++) {
    Batch batch = queue.pop();
    CHECK(batch.watermark == static_cast<uint64_t>(content));
    REQUIRE(batch.runs.size() == 2);
    CHECK(text_of(batch.runs[0].run.bytes) == std::string(kBatch / 2, content));
    CHECK(text_of(batch.runs[1].run.bytes) == std::string(kBatch / 2, content));
  }
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
}

TEST_CASE("what waits in memory keeps no more of it than the queue may hold") {
  Workshop workshop;
  constexpr size_t kLimit = 32 << 20, kBatch = 50048;
  // With room for all, and with room that is used up and given back all the time.
  auto room = GENERATE(uint64_t{1} << 30, uint64_t{64} << 20);
  Spool spool(workshop.directory(), room);
  RecordMemory memory;
  BatchQueue queue(kLimit, &spool);
  size_t most = 0;
  uint64_t pushed = 0, popped = 0;
  // Five come while one is taken.
  for (char content = 0; content < 100; content++) {
    for (int i = 0; i < 100; i++) {
      if (!queue.full()) queue.push(batch_of(content, kBatch, &memory)), pushed++;
      if (i % 5 == 0) queue.pop(), popped++;
      most = std::max(most, memory.mapped_bytes());
    }
  }
  CHECK(queue.bytes() == (pushed - popped) * kBatch);
  CHECK(queue.bytes() >= std::min<uint64_t>(room, 8000 * kBatch));
  CHECK(most >= kLimit);
  CHECK(most <= kLimit + kLimit / 2);
  while (!queue.empty()) queue.pop();
  CHECK(memory.mapped_bytes() <= kLimit);
}

TEST_CASE("a queue without room on disk is full at its limit") {
  Workshop workshop;
  Spool nowhere(workshop.path("none"), 1 << 20);
  RecordMemory memory;
  constexpr size_t kBatch = 53248;
  BatchQueue queue(64000, &nowhere);
  queue.push(batch_of('a', kBatch, &memory));
  CHECK_FALSE(queue.full());
  queue.push(batch_of('b', kBatch, &memory));  // tried, failed, kept in memory
  CHECK(queue.full());
  CHECK(queue.pop().watermark == 'a');
  CHECK(text_of(queue.pop().runs[1].run.bytes) == std::string(kBatch / 2, 'b'));
}

TEST_CASE("records are aligned, whatever lies before them") {
  RecordMemory memory;
  for (size_t size : {1, 2, 3, 2, 1}) {
    RecordBytes bytes = memory.copy(reinterpret_cast<const std::byte*>("odd"), size);
    CHECK(reinterpret_cast<uintptr_t>(bytes.data()) % kUnitBytes == 0);
  }
}

TEST_CASE("bytes live as long as their last owner, whatever becomes of the memory") {
  RecordBytes kept;
  {
    RecordMemory memory;
    std::string text(5000, 'k');
    kept = memory.copy(reinterpret_cast<const std::byte*>(text.data()), text.size());
    for (int i = 0; i < 2000; i++) {
      std::string other(5000, 'o');
      memory.copy(reinterpret_cast<const std::byte*>(other.data()), other.size());
    }
  }
  CHECK(text_of(kept) == std::string(5000, 'k'));
}

}  // namespace telinject::test::spool_test
