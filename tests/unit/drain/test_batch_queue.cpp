// The one bounded queue.
#include <catch2/catch.hpp>

#include <thread>

#include "shim/drain/batch_queue.h"
#include "shim/drain/losses.h"

namespace telinject::test {
namespace {

Batch batch_of(uint64_t watermark, size_t bytes) {
  Batch batch;
  batch.watermark = watermark;
  batch.bytes = bytes;
  return batch;
}

}  // namespace

TEST_CASE("batches come out in the order they went in") {
  BatchQueue queue(100, nullptr);
  CHECK(queue.empty());
  for (uint64_t i = 0; i < 5; i++) queue.push(batch_of(i, 1));
  CHECK_FALSE(queue.empty());
  for (uint64_t i = 0; i < 5; i++) CHECK(queue.pop().watermark == i);
  CHECK(queue.empty());
}

TEST_CASE("full at its limit, and notices get through all the same") {
  BatchQueue queue(100, nullptr);
  queue.push(batch_of(1, 99));
  CHECK_FALSE(queue.full());
  queue.push(batch_of(2, 1));
  CHECK(queue.full());
  queue.push(batch_of(3, 0));
  queue.pop();
  CHECK_FALSE(queue.full());
  queue.pop();
  CHECK(queue.pop().watermark == 3);
  CHECK(queue.empty());
  CHECK_FALSE(queue.full());
}

TEST_CASE("what was held while nobody took is no room for ever") {
  BatchQueue queue(100, nullptr);
  queue.hold();
  int held = 0;
  for (; !queue.full(); held++) queue.push(batch_of(1, 10));
  CHECK(held == 20);
  queue.go_on();
  // As much comes as goes, whenever there is room.
  for (int i = 0; i < 30; i++) {
    queue.pop();
    if (!queue.full()) queue.push(batch_of(1, 10));
  }
  CHECK(queue.bytes() == 100);
}

TEST_CASE("whoever takes waits for what comes") {
  BatchQueue queue(100, nullptr);
  constexpr uint64_t kBatches = 10000;
  std::thread producer([&] {
    for (uint64_t i = 0; i < kBatches; i++) queue.push(batch_of(i, 3));
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

}  // namespace telinject::test
