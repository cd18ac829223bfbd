// Numbers of fields of opentelemetry-proto's metrics that are written here.
#pragma once

#include "shim/events/otlp/proto_fields.h"

namespace telinject::otlp::field {

namespace metric {
inline constexpr Tag kName = 1, kDescription = 2, kUnit = 3, kSum = 7, kHistogram = 9,
                     kExponentialHistogram = 10;
// Of each of the three. Monotonic: of a sum.
inline constexpr Tag kPoints = 1, kTemporality = 2, kMonotonic = 3;
inline constexpr int kCumulative = 2;
}  // namespace metric
// Of each kind of data point. Attributes have a number of their own.
namespace point {
inline constexpr Tag kStart = 2, kTime = 3;
}
namespace number_point {
inline constexpr Tag kDouble = 4, kInt = 6, kAttributes = 7;
}
namespace histogram_point {
inline constexpr Tag kCount = 4, kSum = 5, kBuckets = 6, kBounds = 7, kAttributes = 9, kMin = 11,
                     kMax = 12;
}
namespace exponential_point {
inline constexpr Tag kAttributes = 1, kCount = 4, kSum = 5, kScale = 6, kZeros = 7, kPositive = 8,
                     kMin = 12, kMax = 13;
inline constexpr Tag kOffset = 1, kBuckets = 2;
}  // namespace exponential_point

}  // namespace telinject::otlp::field
