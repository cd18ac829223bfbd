#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "shim/drain/sampling/slow_roots.h"

namespace telinject::test::slow_roots_test {

using drain::SlowRoots;

TEST_CASE("nothing is slow before there are enough durations to say so") {
  SlowRoots roots(0.99);
  for (int i = 0; i < 100; i++) CHECK_FALSE(roots.is_slow("a", 1000000 * (i + 1)));
  CHECK(roots.is_slow("a", 1000000000));
  CHECK_FALSE(roots.is_slow("b", 1000000000));  // of its own name
}

TEST_CASE("a hundredth is above the 99th percentile, and it follows the program") {
  SlowRoots roots(0.99);
  auto slow_of = [&](int64_t unit, int count) {
    int slow = 0;
    uint64_t x = 1;
    for (int i = 0; i < count; i++) {
      x = x * 6364136223846793005 + 1442695040888963407;
      double power = static_cast<double>(x >> 40) / (1 << 24) * 10;
      slow +=
          roots.is_slow("a", static_cast<int64_t>(static_cast<double>(unit) * std::exp2(power)));
    }
    return slow;
  };
  int slow = slow_of(1000, 100000);
  CHECK(slow > 600);
  CHECK(slow < 1400);
  slow_of(100000, 200000);  // everything takes longer now
  int later = slow_of(100000, 50000);
  CHECK(later > 300);
  CHECK(later < 900);
}

TEST_CASE("so many names as a program may have take bounded room") {
  SlowRoots roots(0.5);
  for (int i = 0; i < 5000; i++) roots.is_slow("name" + std::to_string(i), 10);
  CHECK_FALSE(roots.is_slow("another", 10));
  CHECK(roots.is_slow("yet another", 100000));  // they share one
}

}  // namespace telinject::test::slow_roots_test
