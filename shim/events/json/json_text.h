// JSON text by hand, for what events are put together from. Documents (metadata, configuration) are
// nlohmann_json's.
//
// One rule for commas: members each end in one, and end_members() takes the last one off.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/events/event.h"

namespace telinject {

// A string's content with JSON's escapes, without the quotes. Bytes that are not UTF-8 become
// U+FFFD, as the standard's substitution of maximal subparts has it.
void append_json_escaped(std::string* out, std::string_view text);
std::string json_escaped(std::string_view text);

// `"name":"value",` with both escaped, and `"name":number,`.
void append_json_member(std::string* out, std::string_view name, std::string_view value);
void append_json_member(std::string* out, std::string_view name, uint64_t value);
void append_json_member(std::string* out, const Attribute& attribute);
// "name":{"content-type":"text/html",...},
void append_json_object(std::string* out, std::string_view name, const NameValues& values);
void end_members(std::string* out);

}  // namespace telinject
