#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace telinject {

// "ab12cd...", two digits a byte: build ids in paths and messages.
inline std::string hex_digits(std::string_view bytes) {
  std::string text;
  for (char c : bytes) {
    text += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    text += "0123456789abcdef"[c & 15];
  }
  return text;
}

// "0x1234": addresses and offsets.
inline std::string hex_number(uint64_t value) {
  std::string digits;
  do digits.insert(digits.begin(), "0123456789abcdef"[value & 15]);
  while ((value >>= 4) != 0);
  return "0x" + digits;
}

}  // namespace telinject
