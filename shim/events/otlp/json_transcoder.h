// OTLP's JSON of OTLP's protobuf: ids in hexadecimal, 64-bit numbers as texts, enumerations as
// numbers, names in lowerCamelCase.
#pragma once

#include <string>
#include <string_view>

#include "shim/events/otlp/framing.h"

namespace telinject::otlp {

// Appends the JSON object of an export request. Fields that are not known are left out, and so is
// all behind a place that is no protobuf.
void append_json(std::string_view request, Signal signal, std::string* json);

}  // namespace telinject::otlp
