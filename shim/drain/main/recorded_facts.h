// What a recording says of where it was made: as JSON, its first frame, and again once the metadata
// are found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shim/channel/layout.h"
#include "shim/drain/spans/processor.h"

namespace telinject::drain {

// How events are to be written: of a recording that goes on where a drain has stopped, for the rest
// has to be as the beginning.
struct OutputChoice {
  bool lean = false;
  uint64_t min_duration_ns = 0, max_depth = 0;
  std::string include, exclude, include_files, exclude_files, include_modules, exclude_modules;
  uint64_t slow_http_ns = 0;
};
SpanFilter filter_of(const OutputChoice& choice);

struct RecordedFacts {
  ClockKind clock = ClockKind::kTsc;
  int64_t realtime_ns = 0;  // since the epoch, at the recording's first anchor
  Metadata metadata;
  uint64_t sample_rate = kRateOne;
  bool exact_totals = false;  // what is not sampled was recorded, too
  std::optional<OutputChoice> goes_on = std::nullopt;
};

std::string facts_to_json(const RecordedFacts& facts);
// Nullopt if it is none of ours.
std::optional<RecordedFacts> facts_from_json(const std::string& json);

}  // namespace telinject::drain
