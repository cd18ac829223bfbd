// Headers in a variable of the environment, as OpenTelemetry has them: "Name=value,Name2=value2",
// values with %XX for what is no plain character.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace telinject::delivery {

// Appends "Name: value" for each. Returns a part of a sentence about each that is none: "header 2
// is not Name=value". No value is in them: it may be a secret.
std::vector<std::string> parse_header_list(std::string_view list,
                                           std::vector<std::string>* headers);

// "a%20b" is "a b". What is no such escape stays as it is.
std::string percent_decoded(std::string_view text);

// Whether a text may be a header's value: no control characters, which would begin another header.
bool is_header_value(std::string_view text);

}  // namespace telinject::delivery
