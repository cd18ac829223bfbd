// Values from a fuzzer's bytes; zeros after the end.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace telinject::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  template <typename T>
  T get() {
    T value = {};
    size_t n = left_ < sizeof value ? left_ : sizeof value;
    std::memcpy(&value, data_, n);
    take(n);
    return value;
  }
  uint8_t byte() { return get<uint8_t>(); }
  std::string bytes(size_t n) {
    if (n > left_) n = left_;
    std::string text(reinterpret_cast<const char*>(data_), n);
    take(n);
    return text;
  }
  std::string rest() { return bytes(left_); }

 private:
  void take(size_t n) {
    data_ += n;
    left_ -= n;
  }
  const uint8_t* data_;
  size_t left_;
};

// Texts as variables of an environment: one each, in memory of their own, so that the address
// sanitizer sees a step beyond.
class Environment {
 public:
  explicit Environment(const std::string& text) {
    for (size_t at = 0; at <= text.size();) {
      size_t end = text.find('\0', at);
      if (end == std::string::npos) end = text.size();
      entries_.emplace_back(text.begin() + static_cast<std::ptrdiff_t>(at),
                            text.begin() + static_cast<std::ptrdiff_t>(end));
      entries_.back().push_back(0);
      entries_.back().shrink_to_fit();
      at = end + 1;
    }
    for (std::vector<char>& entry : entries_) pointers_.push_back(entry.data());
    pointers_.push_back(nullptr);
  }
  char** get() { return pointers_.data(); }

 private:
  std::vector<std::vector<char>> entries_;
  std::vector<char*> pointers_;
};

// What must hold whatever the input.
inline void require(bool condition) {
  if (!condition) __builtin_trap();
}

}  // namespace telinject::fuzz
