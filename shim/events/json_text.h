// Appending JSON by hand, for events: a few copies and a few numbers each. Documents (metadata,
// configuration) are nlohmann_json's.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace telinject {

// A string's content with JSON's escapes, without the quotes. Bytes that are not UTF-8 become
// U+FFFD, as the standard's substitution of maximal subparts has it.
void append_json_escaped(std::string* out, std::string_view text);
std::string json_escaped(std::string_view text);

// `"name":"value",` with both escaped, and `"name":number,`.
void append_json_member(std::string* out, std::string_view name, std::string_view value);
void append_json_member(std::string* out, std::string_view name, uint64_t value);

// A growing buffer of bytes with unchecked writes: the caller reserves once a line.
class LineBuffer {
 public:
  explicit LineBuffer(size_t capacity) : data_(capacity, '\0') {}

  void reserve(size_t more) {
    if (size_ + more > data_.size()) data_.resize(2 * data_.size() + more);
  }
  void put(char c) { data_[size_++] = c; }
  void put(std::string_view text) {
    std::memcpy(data_.data() + size_, text.data(), text.size());
    size_ += text.size();
  }
  void number(uint64_t value);
  // `digits` decimal digits, with leading zeros.
  void padded(uint64_t value, int digits);
  void hex16(uint64_t value);
  void hex8(uint32_t value);

  std::string_view text() const { return {data_.data(), size_}; }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }

 private:
  std::string data_;
  size_t size_ = 0;
};

}  // namespace telinject
