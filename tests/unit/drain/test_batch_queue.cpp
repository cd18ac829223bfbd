// The one bounded queue.
#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/report/losses.h"

namespace telinject::test::batch_queue_test {
using namespace drain;
namespace {

constexpr size_t kUnit = 8192;  // that the lists of a batch do not matter beside

// Of so many bytes which packing does not make fewer.
Batch batch_of(uint64_t watermark, size_t bytes) {
  Batch batch;
  batch.watermark = watermark;
  batch.bytes = bytes;
  if (bytes == 0) return batch;
  std::string text(bytes, 'x');
  RecordMemory memory;
  const auto* records = reinterpret_cast<const std::byte*>(text.data());
  batch.runs.push_back({1, 0, {0, memory.copy(records, bytes)}});
  return batch;
}

}  // namespace

TEST_CASE("batches come out in the order they went in") {
  BatchQueue queue(100 * kUnit, nullptr);
  CHECK(queue.empty());
  for (uint64_t i = 0; i < 5; i++) queue.push(batch_of(i, kUnit));
  CHECK_FALSE(queue.empty());
  for (uint64_t i = 0; i < 5; i++) CHECK(queue.pop().watermark == i);
  CHECK(queue.empty());
}

TEST_CASE("full at its limit, and notices get through all the same") {
  BatchQueue queue(100 * kUnit, nullptr);
  queue.push(batch_of(1, 99 * kUnit));
  CHECK_FALSE(queue.full());
  queue.push(batch_of(2, kUnit));
  CHECK(queue.full());
  queue.push(batch_of(3, 0));
  queue.pop();
  CHECK_FALSE(queue.full());
  queue.pop();
  CHECK(queue.pop().watermark == 3);
  CHECK(queue.empty());
  CHECK_FALSE(queue.full());
}

TEST_CASE("what comes is to be packed once half of the room is taken") {
  BatchQueue queue(100 * kUnit, nullptr);
  queue.push(batch_of(1, 49 * kUnit));
  CHECK_FALSE(queue.wants_packed());
  queue.push(batch_of(2, kUnit));
  CHECK(queue.wants_packed());
  queue.pop();
  CHECK_FALSE(queue.wants_packed());
}

TEST_CASE("what waits in memory is known") {
  BatchQueue queue(100 * kUnit, nullptr);
  CHECK(queue.memory_bytes() == 0);
  queue.push(batch_of(1, 49 * kUnit));
  queue.push(batch_of(2, kUnit));
  CHECK(queue.memory_bytes() == 50 * kUnit);
  queue.pop();
  CHECK(queue.memory_bytes() == kUnit);
}

TEST_CASE("packed runs wait as they are, and are unpacked when they are taken") {
  std::vector<uint64_t> words;
  for (uint64_t i = 0; i < 100; i++) {
    words.insert(words.end(), {i, 0x1000, 0x2000 | kSecondUnit, 0x3000});
    words.insert(words.end(), {i | kExitBit, 0x1000 | uint64_t{0x3000} << 32});
  }
  RecordPacker packer;
  RecordMemory memory;
  packer.pack(reinterpret_cast<const std::byte*>(words.data()), words.size() * 8);
  size_t packed = packer.packed().size();
  Batch batch;
  batch.bytes = words.size() * 8;
  Run run = {0, memory.copy(packer.packed().data(), packed)};
  run.unpacked_bytes = batch.bytes;
  batch.runs.push_back({1, 0, run});
  BatchQueue queue(packed + kUnit, nullptr);
  queue.push(batch);
  CHECK_FALSE(queue.full());
  CHECK(queue.bytes() == words.size() * 8);
  CHECK(queue.pop_as_is().runs[0].run.bytes.size() == packed);
  queue.push(batch);
  RecordBytes bytes = queue.pop().runs[0].run.bytes;
  REQUIRE(bytes.size() == words.size() * 8);
  CHECK(std::memcmp(bytes.data(), words.data(), bytes.size()) == 0);
}

TEST_CASE("what was held while nobody took is no room for ever") {
  BatchQueue queue(100 * kUnit, nullptr);
  queue.hold();
  int held = 0;
  for (; !queue.full(); held++) queue.push(batch_of(1, 10 * kUnit));
  CHECK(held == 20);
  queue.go_on();
  // As much comes as goes, whenever there is room.
  for (int i = 0; i < 30; i++) {
    queue.pop();
    if (!queue.full()) queue.push(batch_of(1, 10 * kUnit));
  }
  CHECK(queue.bytes() == 100 * kUnit);
}

TEST_CASE("whoever takes waits for what comes") {
  BatchQueue queue(100 * kUnit, nullptr);
  constexpr uint64_t kBatches = 2000;
  std::thread producer([&] {
    for (uint64_t i = 0; i < kBatches; i++) queue.push(batch_of(i, 3 * kUnit));
  });
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kBatches; i++) wrong += queue.pop().watermark != i;
  producer.join();
  CHECK(wrong == 0);
  CHECK(queue.empty());
}

TEST_CASE("losses add up by reason") {
  Losses losses;
  CHECK(losses.total() == 0);
  losses.add(LossReason::kQueueFull, 3);
  losses.add(LossReason::kNoLane, 4);
  losses.add(LossReason::kQueueFull, 2);
  CHECK(losses.count(LossReason::kQueueFull) == 5);
  CHECK(losses.count(LossReason::kNoLane) == 4);
  CHECK(losses.count(LossReason::kEarly) == 0);
  CHECK(losses.total() == 9);
}

TEST_CASE("messages in one piece wait as they are, in memory and on disk") {
  bool disk = GENERATE(false, true);
  RecordMemory memory;
  std::string text = "a message of 25 bytes, 25";
  Batch batch = batch_of(1, 3 * kUnit);
  Run message = {48, memory.copy(reinterpret_cast<const std::byte*>(text.data()), text.size())};
  message.message = {static_cast<MessageType>(100), 7};
  batch.runs.push_back({1, 0, message});
  batch.runs.push_back(batch.runs[0]);
  batch.bytes = 6 * kUnit + text.size();
  Spool spool("/tmp", 1 << 20);
  BatchQueue queue(disk ? 0 : 100 * kUnit, &spool);
  queue.push(batch);
  CHECK((spool.bytes() > 0) == disk);
  Batch popped = queue.pop();
  REQUIRE(popped.runs.size() == 3);
  const Run& run = popped.runs[1].run;
  REQUIRE(run.message.has_value());
  CHECK(run.message->ticks == 7);
  CHECK(run.position == 48);
  CHECK(std::string(reinterpret_cast<const char*>(run.bytes.data()), run.bytes.size()) == text);
  for (size_t i : {0, 2}) {
    CHECK_FALSE(popped.runs[i].run.message.has_value());
    CHECK(popped.runs[i].run.bytes.size() == 3 * kUnit);
  }
}

}  // namespace telinject::test::batch_queue_test
