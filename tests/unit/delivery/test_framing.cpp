// Batches and their bodies.
#include <catch2/catch.hpp>

#include "shim/delivery/batch.h"
#include "shim/delivery/batch_bytes.h"
#include "tests/unit/delivery/items.h"

namespace telinject::test::framing_test {
using namespace delivery;

TEST_CASE("batches are joined and parted, with the items' groups") {
  Batch batch = items(0, 2), more = items(2, 3);
  more.add("3;", {1, 1}, 7);
  batch.append(more);
  batch.append(items(4, 5));
  REQUIRE(batch.size() == 5);
  CHECK(batch.groups == std::vector<uint32_t>{0, 0, 0, 7, 0});
  Batch part = batch.part(2, 4);
  CHECK(part.encoded == "2;3;");
  CHECK(part.group(0) == 0);
  CHECK(part.group(1) == 7);
  CHECK(part.framing == batch.framing);
}

TEST_CASE("a batch goes through bytes, and nothing else passes for one") {
  Batch batch = items(0, 9);
  batch.add("x", {5, 6}, 3);
  std::string bytes;
  append_batch(batch, &bytes);
  auto back = read_batch(bytes);
  REQUIRE(back.has_value());
  CHECK(back->encoded == batch.encoded);
  CHECK(back->ends == batch.ends);
  CHECK(back->groups == batch.groups);
  CHECK(back->traces[9].lo == 6);
  for (size_t cut = 0; cut < bytes.size(); cut++) CHECK_FALSE(read_batch(bytes.substr(0, cut)));
  CHECK_FALSE(read_batch(bytes + "x"));
  batch.ends[3] = 1;  // before the one before
  std::string wrong;
  append_batch(batch, &wrong);
  CHECK_FALSE(read_batch(wrong));
}

}  // namespace telinject::test::framing_test
