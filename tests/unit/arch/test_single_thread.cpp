#include <catch2/catch.hpp>
#include <cstdint>

#include "arch/x86_64/single_thread.h"

using namespace telinject::arch;

TEMPLATE_TEST_CASE("words of 4 and 8 bytes", "", uint32_t, uint64_t) {
  TestType around[3] = {7, 40, 9};
  CHECK(single_thread_fetch_add(around[1], TestType{2}) == 40);
  CHECK(around[1] == 42);
  // It wraps around, and does not touch its neighbours.
  CHECK(single_thread_fetch_add(around[1], static_cast<TestType>(-43)) == 42);
  CHECK(around[1] == static_cast<TestType>(-1));
  TestType expected = 5;
  CHECK_FALSE(single_thread_compare_exchange(around[1], &expected, TestType{1}));
  CHECK(expected == static_cast<TestType>(-1));
  CHECK(around[1] == static_cast<TestType>(-1));
  CHECK(single_thread_compare_exchange(around[1], &expected, TestType{1}));
  CHECK(around[1] == 1);
  CHECK(around[0] == 7);
  CHECK(around[2] == 9);
}
