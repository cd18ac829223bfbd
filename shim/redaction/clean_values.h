// Remembers texts without secrets that were scanned recently, because most headers repeat their
// values.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

namespace telinject::redaction {

// Takes at most 128 KiB, and never contains a secret.
class CleanValues {
 public:
  bool has(std::string_view text) const {
    return text.size() <= kLongest && texts_[place_of(text)] == text;
  }
  void add(std::string_view text) {
    if (text.size() <= kLongest) texts_[place_of(text)].assign(text);
  }

 private:
  static constexpr size_t kLongest = 256, kTexts = 512;
  static size_t place_of(std::string_view text) {
    return std::hash<std::string_view>()(text) % kTexts;
  }

  std::array<std::string, kTexts> texts_;
};

}  // namespace telinject::redaction
