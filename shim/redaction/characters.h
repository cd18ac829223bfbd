// Classes of characters, by one table: redaction looks at every byte of every text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace telinject::redaction {

inline constexpr size_t kNotFound = std::string_view::npos;

constexpr bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != kNotFound;
}

enum CharClass : uint8_t {
  kDigit = 1,
  kLower = 2,
  kUpper = 4,
  kLetter = kLower | kUpper,
  kWordStart = 8,  // letters, digits, _
  kName = 16,      // of a name or a token: letters, digits, _ - .
  kBlank = 32,     // space, tab, CR, LF, NUL
  kQuote = 64,     // " and '
  kShell = 128,    // what ends a word for a shell, besides blanks
};

inline constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  auto add = [&](std::string_view chars, int what) {
    for (char c : chars) {
      auto& place = classes[static_cast<unsigned char>(c)];
      place = static_cast<uint8_t>(place | what);
    }
  };
  add("0123456789", kDigit | kWordStart | kName);
  add("abcdefghijklmnopqrstuvwxyz", kLower | kWordStart | kName);
  add("ABCDEFGHIJKLMNOPQRSTUVWXYZ", kUpper | kWordStart | kName);
  add("_", kWordStart | kName);
  add("-.", kName);
  add(std::string_view(" \t\r\n\0", 5), kBlank);
  add("\"'", kQuote);
  add(";|&()`", kShell);
  return classes;
}();

constexpr bool is(char c, int classes) {
  return (kClasses[static_cast<unsigned char>(c)] & classes) != 0;
}

constexpr char lower(char c) {
  return is(c, kUpper) ? static_cast<char>(c + 32) : c;
}

constexpr bool same_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (size_t i = 0; i < text.size(); i++) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

template <typename List>
constexpr bool is_one_of(std::string_view text, const List& lower_case) {
  for (std::string_view one : lower_case) {
    if (same_ignoring_case(text, one)) return true;
  }
  return false;
}

// Indexes the rows of a table by the first character of their key, so most texts need one lookup.
template <typename Row, size_t N, typename Key>
class ByFirstCharacter {
 public:
  constexpr ByFirstCharacter(const Row (&rows)[N], Key key) {
    size_t at = 0;
    for (size_t c = 0; c < 256; c++) {
      starts_[c] = static_cast<uint16_t>(at);
      for (const Row& row : rows) {
        if (static_cast<unsigned char>(key(row)[0]) == c) rows_[at++] = row;
      }
    }
    starts_[256] = static_cast<uint16_t>(at);
  }
  constexpr std::span<const Row> of(char c) const {
    auto first = static_cast<unsigned char>(c);
    return {rows_.data() + starts_[first], rows_.data() + starts_[first + 1]};
  }

 private:
  std::array<Row, N> rows_{};
  std::array<uint16_t, 257> starts_{};
};

// -1 if it is none.
constexpr int hex_digit(char c) {
  if (is(c, kDigit)) return c - '0';
  char low = lower(c);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// The byte that "%XX" at `at` stands for; -1 if there is none.
constexpr int percent_byte(std::string_view text, size_t at) {
  if (at + 2 >= text.size() || text[at] != '%') return -1;
  int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

}  // namespace telinject::redaction
