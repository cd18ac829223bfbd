// The registry of metrics (metrics.def).
#pragma once

#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

namespace telinject::registry {

enum class MetricKind : uint8_t { kCount, kSeconds, kDuration };

struct Metric {
  std::string_view name;
  MetricKind kind;
  std::string_view unit, scope, description;
};

#define TELINJECT_METRIC(id, name, kind, unit, scope, description) id,
enum MetricId : uint32_t {
#include "shim/events/registry/metrics.def"
};
#undef TELINJECT_METRIC

namespace internal {

using enum MetricKind;

#define TELINJECT_METRIC(id, name, kind, unit, scope, description) \
  {name, kind, unit, scope, description},
inline constexpr Metric kMetrics[] = {
#include "shim/events/registry/metrics.def"
};
#undef TELINJECT_METRIC

}  // namespace internal

inline constexpr std::span<const Metric> kMetrics = internal::kMetrics;

}  // namespace telinject::registry
