// What TELEMETRY_TAIL_SAMPLING and TELEMETRY_FLIGHT_RECORDER say (docs/sampling.md).
//
//   errors,slow=250ms,slow=p99,rate=0.01,roots=handle_*,wait=30s,memory=64MB
//   30s,64MB,errors,crash,slow=1s
//
// libc only, no heap, async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject {

// Part of a setting's text.
struct RulesWord {
  const char* text;
  size_t bytes;
};

struct TailRules {
  static constexpr size_t kMostRoots = 16;

  bool errors;
  bool slow;  // longer than slow_ns
  uint64_t slow_ns;
  uint64_t slow_rank;  // longer than this share of the same name's, in 1/100,000; 0: not asked
  uint64_t rate;       // in billionths; 0: none
  uint64_t wait_ns;
  uint64_t memory_bytes;
  RulesWord roots[kMostRoots];  // globs
  size_t root_count;
};

struct RecorderRules {
  uint64_t keep_ns;  // 0: as long as there is memory
  uint64_t memory_bytes;
  bool errors, crashes, slow;
  uint64_t slow_ns;  // 0: as TELEMETRY_HTTP_SLOW
};

// False, and *out of no use, if the text is none. An empty text is none.
bool parse_tail_rules(const char* text, TailRules* out);
bool parse_recorder_rules(const char* text, RecorderRules* out);

}  // namespace telinject
