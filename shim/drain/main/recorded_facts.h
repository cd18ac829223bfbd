// What a recording says of where it was made: as JSON, its first frame, and again once the metadata
// are found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shim/channel/layout.h"
#include "shim/channel/settings.h"
#include "shim/drain/spans/operation_kinds.h"
#include "shim/drain/spans/processor.h"

namespace telinject::drain {

// How events are to be written: of a recording that goes on where a drain has stopped, for the rest
// has to be as the beginning.
struct OutputChoice {
  bool lean = false;
  uint64_t min_duration_ns = 0, max_depth = 0;
  std::string include, exclude, include_files, exclude_files, include_modules, exclude_modules;
  OperationOptions operations;
  std::string tail_sampling, flight_recorder;  // as the settings have them; one of them is empty

  static OutputChoice of(const Settings& settings);
  // visit(name, value), for the recording's JSON.
  template <typename Visit>
  void each(Visit&& visit) {
    visit("lean", lean);
    visit("min_duration_ns", min_duration_ns);
    visit("max_depth", max_depth);
    visit("include", include);
    visit("exclude", exclude);
    visit("include_files", include_files);
    visit("exclude_files", exclude_files);
    visit("include_modules", include_modules);
    visit("exclude_modules", exclude_modules);
    operations.each(visit);
    visit("tail_sampling", tail_sampling);
    visit("flight_recorder", flight_recorder);
  }
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
