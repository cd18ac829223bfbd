// Parts of one line of a v3 event that receivers' formats need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/channel/ids.h"
#include "shim/receivers/raw_json.h"

namespace telinject::receivers {

// The kind of framings whose items are such lines, each with its line feed.
inline constexpr std::string_view kEventLines = "v3";

// The trace that a line belongs to; zero if it has none. Reads no further than needed.
TraceId trace_of_line(std::string_view line);

// Splits "1762197341499000000" (ns) into seconds and nine digits; false if it is no such number.
bool split_time(std::string_view nanoseconds, std::string_view* seconds, std::string* fraction);

// "INFO" is info.
std::string lower_case(std::string_view text);

// True for digits and nothing else.
bool is_number(std::string_view value);

// Converts 16 hexadecimal digits to a decimal number; "" if they are not hexadecimal.
std::string decimal_of_hex(std::string_view digits);

}  // namespace telinject::receivers
