// Percentiles: within the bound that is promised, for any durations.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "shim/drain/naming/duration_histogram.h"

namespace telinject::test {
using namespace drain;
namespace {

constexpr double kShares[] = {0, .01, .25, .5, .75, .9, .99, .999, 1};

uint64_t exact(const std::vector<uint64_t>& sorted, double share) {
  double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

// Each percentile against the true one.
void check(std::vector<uint64_t> values) {
  DurationHistogram histogram;
  for (uint64_t value : values) histogram.add(value);
  std::sort(values.begin(), values.end());
  for (double share : kShares) {
    auto truth = static_cast<double>(exact(values, share));
    auto told = static_cast<double>(histogram.percentile(share));
    CAPTURE(share, truth, told);
    CHECK(std::abs(told - truth) <= truth * DurationHistogram::kError);
    if (truth < 64) CHECK(told == truth);
  }
}

}  // namespace

TEST_CASE("no durations, no percentile") {
  CHECK(DurationHistogram().percentile(.5) == 0);
}

TEST_CASE("one duration, around every power of two, to the largest") {
  for (int bit = 0; bit < 64; bit++) {
    uint64_t power = uint64_t{1} << bit;
    for (uint64_t value : {power - 1, power, power + 1, power + power / 2, power + (power - 1)}) {
      check({value});
    }
  }
  check({0});
  check({~uint64_t{0}});
}

TEST_CASE("durations as programs have them: a wide spread, a long tail") {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> spread(6, 3);
  std::vector<uint64_t> values(20000);
  for (uint64_t& value : values) value = static_cast<uint64_t>(spread(random));
  check(values);
}

TEST_CASE("two that are far apart, and many that are equal") {
  check({10, 1000000000});
  check(std::vector<uint64_t>(1000, 12345));
  std::vector<uint64_t> values(999, 40);
  values.push_back(77777777);
  check(values);
}

TEST_CASE("a copy counts on its own") {
  DurationHistogram first;
  first.add(5);
  DurationHistogram second = first;
  for (int i = 0; i < 10; i++) second.add(1000);
  CHECK(first.percentile(1) == 5);
  CHECK(second.percentile(0) == 5);
  CHECK(second.percentile(.5) > 900);
}

}  // namespace telinject::test
