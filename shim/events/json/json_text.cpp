#include "shim/events/json/json_text.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace telinject {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// ASCII that stands for itself.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x7f; c++) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// How many bytes at the start stand for themselves, as far as that shows eight at a time.
size_t plain_words(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x80 * kOnes;
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, sizeof word);
    uint64_t quote = word ^ ('"' * kOnes), backslash = word ^ ('\\' * kOnes),
             del = word ^ (0x7f * kOnes);
    // The high bit of each byte that is zero, or below 0x20; where that borrows from the next byte,
    // the word is looked at byte by byte.
    uint64_t special =
        (word - 0x20 * kOnes) | (quote - kOnes) | (backslash - kOnes) | (del - kOnes);
    if (((special | word) & kHigh) != 0) break;
  }
  return at;
}

// The length of the well-formed UTF-8 sequence at the start of `text`; 0 if there is none, and then
// *skip is how many bytes one replacement character stands for. Table 3-7 of the Unicode standard.
size_t utf8_sequence(std::string_view text, size_t* skip) {
  auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  unsigned first = at(0);
  *skip = 1;
  unsigned low = 0x80, high = 0xbf;
  size_t length;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  for (size_t i = 1; i < length; i++) {
    if (at(i) < low || at(i) > high) {
      *skip = i;
      return 0;
    }
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

}  // namespace

void append_json_escaped(std::string* out, std::string_view text) {
  while (!text.empty()) {
    // Nearly always that is all.
    size_t plain = plain_words(text);
    while (plain < text.size() && kPlain[static_cast<unsigned char>(text[plain])]) plain++;
    out->append(text.data(), plain);
    text.remove_prefix(plain);
    if (text.empty()) return;
    auto c = static_cast<unsigned char>(text.front());
    size_t length = 1;
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += static_cast<char>(c);
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '\t') {
      *out += "\\t";
    } else if (c < 0x20 || c == 0x7f) {
      *out += "\\u00";
      *out += kHex[c >> 4];
      *out += kHex[c & 15];
    } else {
      size_t skip;
      length = utf8_sequence(text, &skip);
      if (length == 0) {
        *out += "\xef\xbf\xbd";
        length = skip;
      } else {
        out->append(text.substr(0, length));
      }
    }
    text.remove_prefix(length);
  }
}

std::string json_escaped(std::string_view text) {
  std::string out;
  append_json_escaped(&out, text);
  return out;
}

void append_json_member(std::string* out, std::string_view name, std::string_view value) {
  *out += '"';
  append_json_escaped(out, name);
  *out += "\":\"";
  append_json_escaped(out, value);
  *out += "\",";
}

void append_json_member(std::string* out, std::string_view name, uint64_t value) {
  *out += '"';
  append_json_escaped(out, name);
  *out += "\":" + std::to_string(value) + ",";
}

void append_json_member(std::string* out, const Attribute& attribute) {
  if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
    return append_json_member(out, attribute.name, *text);
  }
  *out += '"';
  append_json_escaped(out, attribute.name);
  *out += "\":";
  if (const auto* number = std::get_if<int64_t>(&attribute.value)) {
    *out += std::to_string(*number);
  } else if (const auto* count = std::get_if<uint64_t>(&attribute.value)) {
    *out += std::to_string(*count);
  } else if (const auto* truth = std::get_if<bool>(&attribute.value)) {
    *out += *truth ? "true" : "false";
  } else {
    // In milliseconds.
    int64_t us = std::get<std::chrono::microseconds>(attribute.value).count();
    std::string rest = std::to_string(us % 1000);
    out->append(std::to_string(us / 1000)).append(".").append(3 - rest.size(), '0').append(rest);
  }
  *out += ',';
}

void append_json_object(std::string* out, std::string_view name, const NameValues& values) {
  *out += '"';
  append_json_escaped(out, name);
  *out += "\":{";
  for (const auto& [key, value] : values) append_json_member(out, key, value);
  end_members(out);
  *out += "},";
}

void end_members(std::string* out) {
  if (out->ends_with(',')) out->pop_back();
}

}  // namespace telinject
