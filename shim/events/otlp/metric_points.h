// Data points of OTLP: cumulative sums, and histograms of durations in seconds.
#pragma once

#include <cstdint>
#include <string>

#include "shim/channel/settings.h"
#include "shim/events/duration_histogram.h"
#include "shim/events/otlp/attribute_set.h"

namespace telinject::otlp {

struct PointTimes {
  uint64_t start_ns = 0, now_ns = 0;  // since 1970
};

// What a histogram's data point says. Under sampling it is an estimate.
struct DurationPoint {
  uint64_t rate = kRateOne;  // of the sample
  int64_t total_ns = 0, min_ns = 0, max_ns = 0;
  const DurationHistogram* durations = nullptr;
};

// Each appends the field of a metric that holds the data point.
void append_count(std::string* item, const PointTimes& times, const AttributeSet& attributes,
                  uint64_t count);
void append_seconds(std::string* item, const PointTimes& times, const AttributeSet& attributes,
                    int64_t ns);
// Exponential buckets: of scale DurationHistogram::kScale, or as much less as makes them
// kMostBuckets at most. The count is the sum of the buckets.
inline constexpr int32_t kMostBuckets = 160;
void append_exponential(std::string* item, const PointTimes& times, const AttributeSet& attributes,
                        const DurationPoint& point);
// Explicit buckets whose bounds are the powers of four of a second from 2^-22 (0.24 us) to 2^6.
void append_explicit(std::string* item, const PointTimes& times, const AttributeSet& attributes,
                     const DurationPoint& point);

}  // namespace telinject::otlp
