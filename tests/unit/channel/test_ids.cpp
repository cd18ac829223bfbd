// Ids: no two alike, the same on both sides, and sampled consistently.
#include <catch2/catch.hpp>

#include <cmath>
#include <set>
#include <utility>

#include "shim/channel/ids.h"
#include "shim/channel/settings.h"

namespace telinject::test::ids_test {
namespace {

constexpr SegmentKey kKey = {0x0123456789abcdef, 0xfedcba9876543210};

constexpr uint64_t unshift(uint64_t value, int bits) {
  uint64_t x = value;
  for (int i = bits; i < 64; i += bits) x = value ^ x >> bits;
  return x;
}

constexpr uint64_t inverse(uint64_t odd) {
  uint64_t x = odd;
  for (int i = 0; i < 6; i++) x *= 2 - odd * x;
  return x;
}

// keyed_mix, backwards: that there is such a thing is what makes it a bijection.
constexpr uint64_t unmix(uint64_t value, uint64_t key0, uint64_t key1) {
  uint64_t x = unshift(value, 32);
  x *= inverse(0xd6e8feb86659fd93);
  x = unshift(x, 31);
  x *= inverse(0x94d049bb133111eb);
  x ^= key1;
  x = unshift(x, 27);
  x *= inverse(0xbf58476d1ce4e5b9);
  x = unshift(x, 30);
  return x ^ key0;
}

uint64_t scattered(uint64_t i) {
  return i * 0x9e3779b97f4a7c15;
}

}  // namespace

TEST_CASE("mixing can be undone, so that no two places share an id") {
  for (uint64_t i = 0; i < 100000; i++) {
    uint64_t value = i < 1000 ? i : scattered(i);
    if (unmix(keyed_mix(value, kKey.k0, kKey.k1), kKey.k0, kKey.k1) == value) continue;
    FAIL("not undone: " << value);
  }
}

TEST_CASE("span ids of many lanes and positions differ and are never zero") {
  std::set<uint64_t> seen;
  size_t made = 0;
  for (uint32_t lane : {0u, 1u, 2u, 1023u, kNoteLane}) {
    for (uint64_t position = 0; position < 20000 * 16; position += 16) {
      uint64_t id = span_id(kKey, lane, position);
      CHECK_FALSE(id == 0);
      seen.insert(id);
      made++;
    }
  }
  CHECK(seen.size() == made);
}

TEST_CASE("positions of every chunk that a lane can reach count") {
  // 53 bits of units: the highest position still differs from the others.
  uint64_t last = lane_position((uint64_t{1} << 37) - 1, kChunkBytes - 16);
  CHECK(span_id(kKey, 3, last) != span_id(kKey, 3, last & kOffsetMask));
  CHECK(span_id(kKey, 3, lane_position(1, 0)) != span_id(kKey, 3, 0));
}

TEST_CASE("the place whose image is zero gets an id of its own") {
  uint64_t place = unmix(0, kKey.k0, kKey.k1);
  uint32_t lane = static_cast<uint32_t>(place >> 53);
  uint64_t position = (place & ((uint64_t{1} << 53) - 1)) << 4;
  uint64_t id = span_id(kKey, lane, position);
  CHECK(id != 0);
  CHECK(id == keyed_mix(~uint64_t{0}, kKey.k0, kKey.k1));
}

TEST_CASE("another key gives other ids") {
  SegmentKey other = {kKey.k0 ^ 1, kKey.k1};
  CHECK(span_id(kKey, 1, 16) != span_id(other, 1, 16));
  CHECK(trace_id(kKey, 1, 1).lo != trace_id(other, 1, 1).lo);
  CHECK(trace_id(kKey, 1, 1).hi != trace_id(other, 1, 1).hi);
}

TEST_CASE("trace ids of many lanes and roots differ and are never zero") {
  std::set<std::pair<uint64_t, uint64_t>> seen;
  size_t made = 0;
  for (uint32_t lane : {0u, 1u, 1023u, kNoteLane}) {
    for (uint64_t root = 0; root < 10000; root++, made++) {
      TraceId id = trace_id(kKey, lane, root);
      CHECK_FALSE((id.hi == 0 && id.lo == 0));
      seen.emplace(id.hi, id.lo);
    }
  }
  CHECK(seen.size() == made);
}

TEST_CASE("a rate keeps its share of traces") {
  constexpr uint64_t kTraces = 200000;
  for (double share : {0.0, 0.01, 0.1, 0.5, 0.9, 1.0}) {
    uint64_t threshold = sampling_threshold(static_cast<uint64_t>(share * double{kRateOne}));
    uint64_t kept = 0;
    for (uint64_t root = 0; root < kTraces; root++) {
      kept += sampled(trace_id(kKey, 5, root), threshold);
    }
    double expected = share * kTraces;
    double deviation = std::sqrt(kTraces * share * (1 - share));
    CAPTURE(share, kept);
    CHECK(std::abs(static_cast<double>(kept) - expected) <= 5 * deviation);
  }
}

TEST_CASE("a trace that is kept at one rate is kept at every higher one") {
  uint64_t low = sampling_threshold(kRateOne / 100), high = sampling_threshold(kRateOne / 3);
  uint64_t kept = 0;
  for (uint64_t root = 0; root < 50000; root++) {
    TraceId id = trace_id(kKey, 9, root);
    if (!sampled(id, low)) continue;
    kept++;
    CHECK(sampled(id, high));
  }
  CHECK(kept > 0);
}

TEST_CASE("only the lower 56 bits decide, as OpenTelemetry's consistent sampling has it") {
  uint64_t threshold = uint64_t{1} << 55;
  CHECK(sampled({0, uint64_t{1} << 55}, threshold));
  CHECK_FALSE(sampled({~uint64_t{0}, (uint64_t{1} << 55) - 1}, threshold));
  CHECK_FALSE(sampled({0, uint64_t{0xff} << 56}, threshold));
}

TEST_CASE("an id tells its place") {
  for (uint64_t lane : {uint64_t{0}, uint64_t{3}, uint64_t{kNoteLane}}) {
    for (uint64_t position :
         {uint64_t{0}, uint64_t{16}, lane_position(7, 4096), uint64_t{1} << 56}) {
      uint64_t id = span_id(kKey, static_cast<uint32_t>(lane), position);
      CHECK(place_of(kKey, id) == (lane << 53 | position >> 4));
    }
  }
}

}  // namespace telinject::test::ids_test
