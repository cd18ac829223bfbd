// What waits: memory, then disk, then whole traces are left out.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

#include "shim/delivery/waiting_items.h"
#include "tests/unit/delivery/items.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::waiting_items_test {
using namespace delivery;
namespace {

steady_clock::time_point at(int seconds) {
  return steady_clock::time_point(std::chrono::seconds(seconds));
}

Delivery::Limits limits_of(const Workshop& workshop, uint64_t memory, uint64_t disk) {
  Delivery::Limits limits;
  limits.body_items = 10;
  limits.memory_bytes = memory;
  limits.spool_bytes = disk;
  limits.spool_directory = workshop.directory();
  return limits;
}

// All that waits.
std::string take_all(WaitingItems* waiting) {
  std::string all;
  while (!waiting->empty()) {
    auto batch = waiting->take(at(1000), true);
    if (batch == nullptr) batch = waiting->read(waiting->take_stored(at(1000), true).value());
    REQUIRE(batch != nullptr);
    all += batch->encoded;
  }
  return all;
}

void ignore(const std::string&) {}

}  // namespace

TEST_CASE("small batches become one") {
  Workshop workshop;
  WaitingItems waiting(limits_of(workshop, 1 << 20, 0), ignore);
  for (size_t i = 0; i < 15; i++) waiting.add(items(i, i + 1), at(0));
  auto first = waiting.take(at(0), false);
  REQUIRE(first != nullptr);
  CHECK(first->size() == 10);
  CHECK(waiting.take(at(0), false) == nullptr);
  CHECK(waiting.due(false) == at(1));
  auto second = waiting.take(at(1), false);
  REQUIRE(second != nullptr);
  CHECK(second->encoded == "10;11;12;13;14;");
  CHECK(waiting.memory_bytes() > 0);
  first = second = nullptr;
  CHECK(waiting.memory_bytes() == 0);
}

TEST_CASE("beyond memory the disk takes it, and all comes out in order") {
  Workshop workshop;
  WaitingItems waiting(limits_of(workshop, 1000, 1 << 20), ignore);
  std::string wanted;
  for (size_t i = 0; i < 100; i++) {
    Batch batch = items(i * 10, i * 10 + 10);
    wanted += batch.encoded;
    CHECK(waiting.add(std::move(batch), at(0)) == 0);
  }
  CHECK(waiting.memory_bytes() <= 1000);
  CHECK(std::filesystem::is_empty(workshop.directory()));  // it has no name
  CHECK(take_all(&waiting) == wanted);
  CHECK(waiting.empty());
  CHECK(waiting.memory_bytes() == 0);
}

TEST_CASE("beyond both, whole traces are left out until there is room again") {
  Workshop workshop;
  WaitingItems waiting(limits_of(workshop, 1000, 0), ignore);
  uint64_t lost = 0;
  for (size_t i = 0; i < 10; i++) lost += waiting.add(items(i * 10, i * 10 + 10, 100 + i), at(0));
  REQUIRE(lost > 0);
  REQUIRE(lost < 100);
  size_t first_dropped = (100 - lost) / 10;
  auto some = waiting.take(at(0), true);
  some = nullptr;
  // There is room now, but not for the rest of that trace.
  CHECK(waiting.add(items(0, 1, 100 + first_dropped), at(0)) == 1);
  CHECK(waiting.add(items(0, 1, 500), at(0)) == 0);
  take_all(&waiting);
  CHECK(waiting.add(items(0, 1, 100 + first_dropped), at(0)) == 0);
}

TEST_CASE("a disk that cannot be written loses what memory cannot hold, and says so") {
  Workshop workshop;
  Delivery::Limits limits = limits_of(workshop, 1000, 1 << 20);
  limits.spool_directory = workshop.path("none");
  int told = 0;
  WaitingItems waiting(limits, [&](const std::string&) { told++; });
  uint64_t lost = 0;
  for (size_t i = 0; i < 100; i++) lost += waiting.add(items(i * 10, i * 10 + 10), at(0));
  CHECK(lost > 900);
  CHECK(told == 1);
}

}  // namespace telinject::test::waiting_items_test
