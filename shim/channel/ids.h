// Ids that the program and the drain compute alike, without speaking to each other.
//
// A span id is a bijection, keyed by the segment's random key, of the record's place in its
// segment. So no two records of a segment share one, the hook draws no random numbers, and the
// program can compute the id that the drain will write from a record's place. A trace id is a keyed
// hash of the lane and the number of the root on it. Its low 56 bits are uniform, as consistent
// probability sampling (W3C trace context level 2, OpenTelemetry tracestate `th`) wants them.
#pragma once

#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject {

// A bijection of 64 bits: xor-shift and odd multiplications (the finalizer of splitmix64), keyed
// before and after.
constexpr uint64_t keyed_mix(uint64_t value, uint64_t key0, uint64_t key1) {
  uint64_t x = value ^ key0;
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x ^= key1;
  x *= 0x94d049bb133111eb;
  x ^= x >> 31;
  x *= 0xd6e8feb86659fd93;
  x ^= x >> 32;
  return x;
}

struct SegmentKey {
  uint64_t k0, k1;
};

// Spans that have no record of their own (the drain's notes about losses) use lane kNoteLane.
inline constexpr uint32_t kNoteLane = 0x7ff;

constexpr uint64_t span_id(SegmentKey key, uint32_t lane, uint64_t position) {
  // 11 bits of lane; 53 of position, which is in units of 16 bytes.
  uint64_t place = uint64_t{lane} << 53 | (position >> 4 & ((uint64_t{1} << 53) - 1));
  uint64_t id = keyed_mix(place, key.k0, key.k1);
  // Zero is not an id. The one place that maps to it takes the image of a place that never occurs.
  return id != 0 ? id : keyed_mix(~uint64_t{0}, key.k0, key.k1);
}

namespace ids_internal {

// The inverse of an odd number, modulo 2^64.
constexpr uint64_t inverse(uint64_t odd) {
  uint64_t x = odd;
  for (int i = 0; i < 6; i++) x *= 2 - odd * x;
  return x;
}

}  // namespace ids_internal

// The place that an id belongs to: 11 bits of lane, 53 of position in units of 16 bytes. Any number
// has one; whether it is an id of the segment's is to be seen by what is at that place.
constexpr uint64_t place_of(SegmentKey key, uint64_t id) {
  uint64_t x = id;
  x ^= x >> 32;
  x *= ids_internal::inverse(0xd6e8feb86659fd93);
  x ^= x >> 31 ^ x >> 62;
  x *= ids_internal::inverse(0x94d049bb133111eb);
  x ^= key.k1;
  x ^= x >> 27 ^ x >> 54;
  x *= ids_internal::inverse(0xbf58476d1ce4e5b9);
  x ^= x >> 30 ^ x >> 60;
  return x ^ key.k0;
}

struct TraceId {
  uint64_t hi, lo;

  bool operator==(const TraceId&) const = default;
  // For absl's maps.
  template <typename H>
  friend H AbslHashValue(H state, const TraceId& id) {
    return H::combine(static_cast<H&&>(state), id.hi, id.lo);
  }
};

constexpr TraceId trace_id(SegmentKey key, uint32_t lane, uint64_t root_number) {
  uint64_t place = uint64_t{lane} << 53 ^ root_number;
  uint64_t hi = keyed_mix(place, key.k1, ~key.k0);
  uint64_t lo = keyed_mix(place, ~key.k1, key.k0);
  return {hi, hi == 0 && lo == 0 ? 1 : lo};
}

inline constexpr uint64_t kRandomBits = (uint64_t{1} << 56) - 1;

// Consistent probability sampling: a trace is kept if its 56 random bits are at or above the
// threshold (1 - probability) * 2^56, so every party with the same or a higher rate keeps it.
constexpr bool sampled(TraceId id, uint64_t threshold) {
  return (id.lo & kRandomBits) >= threshold;
}

}  // namespace telinject
