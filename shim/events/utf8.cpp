#include "shim/events/utf8.h"

#include <algorithm>

namespace telinject {

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// How many bytes at the start are ASCII.
size_t ascii_bytes(std::string_view text) {
  auto other = std::find_if(text.begin(), text.end(),
                            [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  return static_cast<size_t>(other - text.begin());
}

}  // namespace

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

void append_utf8(std::string* out, std::string_view text, size_t most_bytes) {
  size_t end = out->size() + most_bytes;
  while (!text.empty() && out->size() < end) {
    size_t plain = std::min(ascii_bytes(text), end - out->size());
    out->append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    size_t skip;
    size_t length = utf8_sequence(text, &skip);
    std::string_view character = length != 0 ? text.substr(0, length) : kReplacement;
    if (out->size() + character.size() > end) return;
    out->append(character);
    text.remove_prefix(length != 0 ? length : skip);
  }
}

}  // namespace telinject
