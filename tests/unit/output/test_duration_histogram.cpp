// Percentiles: within the bound that is promised, for any durations. Exponential buckets: exact.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "shim/events/duration_histogram.h"

namespace telinject::test::duration_histogram_test {
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

namespace {

// The largest number of nanoseconds in bucket `bucket - 1`: 2^(bucket / 8) seconds, rounded down.
// Powers of two of a second are whole numbers from 2^-9 on; the others are never close to one.
uint64_t last_below(int bucket) {
  return static_cast<uint64_t>(std::floor(std::exp2(static_cast<long double>(bucket) / 8) * 1e9L));
}

std::map<int, uint64_t> buckets_of(const DurationHistogram& histogram) {
  std::map<int, uint64_t> buckets;
  histogram.each_bucket([&](int bucket, uint64_t count) { buckets[bucket] += count; });
  return buckets;
}

}  // namespace

TEST_CASE("a duration's exponential bucket is the one that OpenTelemetry defines") {
  // Above 2^(i / 8) seconds and up to 2^((i + 1) / 8); 2^52 ns is 52 days.
  constexpr int kFirst = -29 * 8, kLast = 22 * 8;
  for (int bucket = kFirst; bucket < kLast; bucket++) {
    uint64_t last = last_below(bucket);
    if (last == 0) continue;
    CAPTURE(bucket, last);
    if (last > last_below(bucket - 1)) CHECK(DurationHistogram::bucket_of(last) == bucket - 1);
    CHECK(DurationHistogram::bucket_of(last + 1) >= bucket);
    if (last + 1 <= last_below(bucket + 1)) {
      CHECK(DurationHistogram::bucket_of(last + 1) == bucket);
    }
  }
  // On the bounds themselves: 2^-9 s, 1 s and 16 s are the last of their buckets.
  CHECK(DurationHistogram::bucket_of(1953125) == -9 * 8 - 1);
  CHECK(DurationHistogram::bucket_of(1953126) == -9 * 8);
  CHECK(DurationHistogram::bucket_of(1000000000) == -1);
  CHECK(DurationHistogram::bucket_of(1000000001) == 0);
  CHECK(DurationHistogram::bucket_of(16000000000) == 31);
  CHECK(DurationHistogram::bucket_of(1) == -240 + 0);  // 2^-30 s < 1 ns <= 2^-29.875 s
}

TEST_CASE("counted durations are in their buckets, each once") {
  std::mt19937_64 random(11);
  std::lognormal_distribution<double> spread(9, 4);
  DurationHistogram histogram, half;
  std::map<int, uint64_t> expected;
  uint64_t zeros = 0;
  for (int i = 0; i < 50000; i++) {
    auto value = static_cast<uint64_t>(spread(random));
    (i % 2 == 0 ? histogram : half).add(value);
    if (value == 0) {
      zeros++;
    } else {
      expected[DurationHistogram::bucket_of(value)]++;
    }
  }
  histogram.join(half);
  CHECK(buckets_of(histogram) == expected);
  CHECK(histogram.zeros() == zeros);
  CHECK(zeros > 0);
}

TEST_CASE("every bound between two buckets is one between two counts") {
  for (int bucket = -200; bucket < 160; bucket++) {
    uint64_t last = last_below(bucket);
    DurationHistogram histogram;
    histogram.add(last);
    histogram.add(last);
    histogram.add(last + 1);
    if (DurationHistogram::bucket_of(last) == DurationHistogram::bucket_of(last + 1)) continue;
    auto buckets = buckets_of(histogram);
    CAPTURE(bucket, last);
    CHECK(buckets[DurationHistogram::bucket_of(last)] == 2);
    CHECK(buckets[DurationHistogram::bucket_of(last + 1)] == 1);
  }
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

}  // namespace telinject::test::duration_histogram_test
