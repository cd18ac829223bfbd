#include "shim/receivers/event_line.h"

#include <charconv>

#include "absl/strings/ascii.h"

namespace telinject::receivers {

namespace {

constexpr size_t kHalf = 16;  // digits

bool parse_hex(std::string_view digits, uint64_t* value) {
  if (digits.size() != kHalf) return false;
  auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), *value, 16);
  return problem == std::errc() && end == digits.data() + digits.size();
}

}  // namespace

// The encoder writes it among the first members; a text before it could only be one of its own.
TraceId trace_of_line(std::string_view line) {
  constexpr std::string_view kName = "\"trace_id\":\"";
  size_t at = line.find(kName);
  TraceId trace = {};
  if (at == std::string_view::npos) return trace;
  std::string_view digits = line.substr(at + kName.size(), 2 * kHalf);
  if (digits.size() < 2 * kHalf) return trace;
  if (!parse_hex(digits.substr(0, kHalf), &trace.hi) ||
      !parse_hex(digits.substr(kHalf), &trace.lo)) {
    return {};
  }
  return trace;
}

bool split_time(std::string_view nanoseconds, std::string_view* seconds, std::string* fraction) {
  constexpr size_t kDigits = 9;
  if (!is_number(nanoseconds)) return false;
  if (nanoseconds.size() <= kDigits) {
    *seconds = "0";
    *fraction = std::string(kDigits - nanoseconds.size(), '0').append(nanoseconds);
    return true;
  }
  *seconds = nanoseconds.substr(0, nanoseconds.size() - kDigits);
  *fraction = nanoseconds.substr(nanoseconds.size() - kDigits);
  return true;
}

std::string lower_case(std::string_view text) {
  return absl::AsciiStrToLower({text.data(), text.size()});
}

bool is_number(std::string_view value) {
  return !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string decimal_of_hex(std::string_view digits) {
  uint64_t value = 0;
  return parse_hex(digits, &value) ? std::to_string(value) : "";
}

}  // namespace telinject::receivers
