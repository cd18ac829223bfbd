// Delivery's thread, with a receiver that is not there.
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "shim/delivery/delivery.h"
#include "shim/delivery/left_file.h"
#include "tests/unit/delivery/items.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::delivery_test {
using namespace delivery;
using namespace std::chrono_literals;
namespace {

struct Dead {
  Workshop workshop;
  Endpoint endpoint;
  Delivery::Limits limits;
  std::vector<std::string> told;

  Dead() {
    endpoint.name = endpoint.output = "test";
    endpoint.url = "http://127.0.0.1:1/";
    endpoint.reader = std::make_shared<StatusReader>();
    limits.patience = 1h;
    limits.spool_directory = workshop.directory();
  }
  Delivery::Tell tell() {
    return [this](const std::string& line) { told.push_back(line); };
  }
};

size_t items_in(const std::string& path) {
  std::string problem;
  auto reader = LeftReader::open(path, &problem);
  REQUIRE(reader != nullptr);
  size_t items = 0;
  while (reader->next()) items += reader->batch().size();
  CHECK(reader->problem().empty());
  return items;
}

}  // namespace

TEST_CASE("of several deadlines the earliest counts") {
  Dead dead;
  Delivery delivery(dead.endpoint, dead.limits, dead.tell());
  delivery.add(items(0, 5));
  auto now = steady_clock::now();
  delivery.hurry(now);
  delivery.hurry(now + 1h);
  std::string path = delivery.finish();
  CHECK(items_in(path) == 5);
  CHECK(delivery.totals().left == 5);
}

TEST_CASE("what is left is all of memory and disk, and the command is one for a shell") {
  Dead dead;
  dead.limits.body_items = 10;
  dead.limits.memory_bytes = 1000;
  dead.limits.spool_directory = dead.workshop.path("a b");
  std::filesystem::create_directory(dead.limits.spool_directory);
  Delivery delivery(dead.endpoint, dead.limits, dead.tell());
  for (size_t i = 0; i < 100; i++) delivery.add(items(i * 10, i * 10 + 10));
  delivery.hurry(steady_clock::now());
  std::string path = delivery.finish();
  CHECK(items_in(path) == 1000);
  CHECK(delivery.totals().left == 1000);
  CHECK(delivery.totals().waiting == 0);
  // Which of two lines comes first is a matter of time.
  bool quoted = false;
  for (const std::string& line : dead.told) {
    quoted = quoted || line.ends_with("telinject convert --output=test '" + path + "'");
  }
  CHECK(quoted);
}

}  // namespace telinject::test::delivery_test
