#include "shim/redaction/values.h"

#include <algorithm>

#include "shim/redaction/characters.h"

namespace telinject::redaction {

namespace {

constexpr std::string_view kNoValues[] = {"true", "false", "yes",       "no",   "on",  "off",
                                          "none", "null",  "undefined", "auto", "nil", "nullptr"};

bool all_of(std::string_view text, int classes, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is(c, classes) || contains(others, {&c, 1});
  });
}

// $NAME, ${name}, $(command), {{name}}, {name}, <name>, %s, %(name)s: what is still to be replaced.
bool is_placeholder(std::string_view value) {
  if (value.starts_with("${") || value.starts_with("$(") || value.starts_with("{{")) return true;
  if (value.starts_with('$')) {
    std::string_view name = value.substr(1);
    return all_of(name, kUpper | kDigit, "_") || all_of(name, kLower, "_");
  }
  bool braces = value.starts_with('{') && value.ends_with('}');
  bool angles = value.starts_with('<') && value.ends_with('>');
  if ((braces || angles) && value.size() > 2) {
    return all_of(value.substr(1, value.size() - 2), kLetter, "_-. ");
  }
  return value == "%s" || value == "%d" || value == "%v" || value.starts_with("%(");
}

}  // namespace

bool is_plain_value(std::string_view value) {
  if (value.empty() || value.starts_with("REDACTED")) return true;
  if (is_one_of(value, kNoValues) || is_placeholder(value)) return true;
  return std::all_of(value.begin(), value.end(), [](char c) { return contains("*.?#", {&c, 1}); });
}

bool looks_like_token(std::string_view value) {
  constexpr size_t kShortest = 10, kLong = 24;
  bool digit = false, small = false, capital = false, hex = true;
  for (char c : value) {
    if (!is(c, kLetter | kDigit) && c != '-' && c != '_' && c != '=' && c != '+') return false;
    digit = digit || is(c, kDigit);
    small = small || is(c, kLower);
    capital = capital || is(c, kUpper);
    hex = hex && hex_digit(c) >= 0;
  }
  if (hex || !digit || value.size() < kShortest) return false;
  return (small && capital) || (value.size() >= kLong && (small || capital));
}

bool looks_random(std::string_view value, size_t at_least) {
  if (value.size() < at_least) return false;
  bool digit = false, letter = false;
  for (char c : value) {
    digit = digit || is(c, kDigit);
    letter = letter || is(c, kLetter);
  }
  return digit && letter;
}

}  // namespace telinject::redaction
