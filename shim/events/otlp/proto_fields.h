// Numbers of fields and enumerations of opentelemetry-proto that are written or read here.
#pragma once

#include <protozero/types.hpp>

namespace telinject::otlp {

namespace field {

using Tag = protozero::pbf_tag_type;

namespace key_value {
inline constexpr Tag kKey = 1, kValue = 2;
}
namespace any_value {
inline constexpr Tag kString = 1, kBool = 2, kInt = 3, kDouble = 4, kArray = 5, kMap = 6,
                     kBytes = 7;
inline constexpr Tag kArrayValues = 1;
}  // namespace any_value
namespace resource {
inline constexpr Tag kAttributes = 1, kDroppedAttributes = 2;
}
namespace scope {
inline constexpr Tag kName = 1, kVersion = 2;
}
// ResourceSpans and ResourceLogs are alike, and so are ScopeSpans and ScopeLogs.
namespace request {
inline constexpr Tag kResources = 1;
inline constexpr Tag kResource = 1, kScopes = 2, kResourceSchemaUrl = 3;
inline constexpr Tag kScope = 1, kItems = 2, kScopeSchemaUrl = 3;
}  // namespace request
namespace span {
inline constexpr Tag kTraceId = 1, kSpanId = 2, kTraceState = 3, kParentSpanId = 4, kName = 5,
                     kKind = 6, kStart = 7, kEnd = 8, kAttributes = 9, kDroppedAttributes = 10,
                     kEvents = 11, kDroppedEvents = 12, kStatus = 15, kFlags = 16;
inline constexpr Tag kStatusMessage = 2, kStatusCode = 3;
inline constexpr Tag kEventTime = 1, kEventName = 2, kEventAttributes = 3, kEventDropped = 4;
}  // namespace span
namespace log {
inline constexpr Tag kTime = 1, kSeverity = 2, kSeverityText = 3, kBody = 5, kAttributes = 6,
                     kDroppedAttributes = 7, kFlags = 8, kTraceId = 9, kSpanId = 10,
                     kObservedTime = 11, kEventName = 12;
}  // namespace log
namespace response {
inline constexpr Tag kPartialSuccess = 1, kRejected = 1, kMessage = 2;
}
// google.rpc.Status, and RetryInfo among its details.
namespace status {
inline constexpr Tag kCode = 1, kMessage = 2, kDetails = 3;
inline constexpr Tag kTypeUrl = 1, kValue = 2, kRetryDelay = 1, kSeconds = 1, kNanos = 2;
}  // namespace status

}  // namespace field

enum SpanKind : int { kInternal = 1, kServer = 2, kClient = 3 };
inline constexpr int kStatusError = 2;
// Beside the W3C flags in the low byte.
inline constexpr uint32_t kHasIsRemote = 0x100, kIsRemote = 0x200;

}  // namespace telinject::otlp
