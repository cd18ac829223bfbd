// Texts that were scanned lately and have nothing to hide. Most headers have the value that they
// had last time.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

namespace telinject::redaction {

// At most 128 KiB, and nothing that is a secret.
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
