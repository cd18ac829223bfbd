// Log records in OTLP's encoding: one for an event of v3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/events/event.h"
#include "shim/events/otlp/attribute_set.h"

namespace telinject::otlp {

// Each appends the field ScopeLogs.log_records.
void append_log(std::string* item, const SpanStart& event);
void append_log(std::string* item, const SpanEnd& event);
// `name`: the record's event name.
void append_log(std::string* item, const PointEvent& event, std::string_view name);

}  // namespace telinject::otlp
