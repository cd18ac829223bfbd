// Reads JSON and text of other programs. Checks every value before use.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace telinject {

// Longer values are ignored.
inline constexpr size_t kMaxValueBytes = 256;

// Parses a JSON object; discarded() if the text is not one. Never throws.
nlohmann::json parse_document(std::string_view text);

// The value at a path of keys; null if there is none.
const nlohmann::json& value_at(const nlohmann::json& document,
                               std::initializer_list<std::string_view> path);

// A text there; numbers are taken as texts. "" if there is none, or one that is too long.
std::string text_at(const nlohmann::json& document, std::initializer_list<std::string_view> path);

// An answer or file that should be one word, trimmed; "" if it is not one word, but for example the
// HTML page of a captive portal.
std::string one_word(std::string_view text);

// "us-central1-a" and "us-central1" -> "us-central1"
std::string region_of_zone(const std::string& zone);

// "projects/12/zones/us-central1-a" -> "us-central1-a"
std::string last_part(std::string_view path);

// True for an IPv4 or IPv6 address in text.
bool is_address(const std::string& text);

}  // namespace telinject
