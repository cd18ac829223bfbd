// W3C trace context's `traceparent`: 00-<32 hex trace id>-<16 hex parent id>-<2 hex flags>.
// https://www.w3.org/TR/trace-context-2/#traceparent-header
#pragma once

#include "shim/channel/layout.h"

namespace telinject {

inline constexpr size_t kTraceparentLength = 55;

// False, with out->valid = 0, for anything that the specification calls invalid: wrong lengths,
// upper case, version ff, ids of zero, or a version 00 with something behind the flags. Higher
// versions may go on after a dash. Async-signal-safe.
bool parse_traceparent(const char* text, TraceContext* out);

// Writes 55 characters and a terminator.
void format_traceparent(const TraceContext& context, char out[kTraceparentLength + 1]);

}  // namespace telinject
