// Lines of JSON in the making. The caller asks for room once a line, writes through a pointer,
// which the compiler keeps in a register, and says where it ended.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace telinject {

class LineBuffer {
 public:
  // Left as it comes from the allocator: pages that no line reaches are never touched.
  explicit LineBuffer(size_t capacity)
      : data_(std::make_unique_for_overwrite<char[]>(capacity)), capacity_(capacity) {}

  // Where the next line goes, with room for `bytes`.
  char* begin_line(size_t bytes) {
    if (size_ + bytes > capacity_) grow(bytes);
    return data_.get() + size_;
  }
  void end_line(const char* end) { size_ = static_cast<size_t>(end - data_.get()); }

  std::string_view text() const { return {data_.get(), size_}; }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }

 private:
  void grow(size_t bytes) {
    capacity_ = 2 * capacity_ + bytes;
    auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
    std::memcpy(larger.get(), data_.get(), size_);
    data_ = std::move(larger);
  }

  std::unique_ptr<char[]> data_;
  size_t capacity_;
  size_t size_ = 0;
};

// Each writes at `out` and returns the end of what it wrote.

inline char* put(char* out, std::string_view text) {
  // An empty text may be nowhere.
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// A short text that is put often: `capacity` bytes are copied in any case, which takes a few
// instructions where the length of a text takes a call. There must be room for them.
template <size_t capacity>
class ShortText {
 public:
  void clear() { size_ = 0; }
  // What does not fit is cut off.
  ShortText& append(std::string_view text) {
    size_t size = std::min(text.size(), capacity - size_);
    std::memcpy(bytes_.data() + size_, text.data(), size);
    size_ += size;
    return *this;
  }
  bool empty() const { return size_ == 0; }
  char* put(char* out) const {
    std::memcpy(out, bytes_.data(), capacity);
    return out + size_;
  }

 private:
  std::array<char, capacity> bytes_ = {};
  size_t size_ = 0;
};

// Eight digits at once: an event has 64 of them.
inline char* put_hex8(char* out, uint32_t value) {
  uint64_t nibbles = (uint64_t{value} & 0xffff0000) << 16 | (value & 0xffff);
  nibbles = (nibbles << 8 | nibbles) & 0x00ff00ff00ff00ff;
  nibbles = (nibbles << 4 | nibbles) & 0x0f0f0f0f0f0f0f0f;
  nibbles = __builtin_bswap64(nibbles);  // the first digit is the highest, and text starts low
  uint64_t letters = (nibbles + 0x0606060606060606) >> 4 & 0x0101010101010101;
  uint64_t digits = nibbles + 0x3030303030303030 + letters * ('a' - '0' - 10);
  std::memcpy(out, &digits, sizeof digits);
  return out + sizeof digits;
}

inline char* put_hex16(char* out, uint64_t value) {
  return put_hex8(put_hex8(out, static_cast<uint32_t>(value >> 32)), static_cast<uint32_t>(value));
}

namespace line_buffer_internal {
inline constexpr std::array<char, 200> kPairs = [] {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; i++) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();
}  // namespace line_buffer_internal

// The lowest `digits` decimal digits, with leading zeros.
inline char* put_padded(char* out, uint64_t value, int digits) {
  char* end = out + digits;
  char* p = end;
  for (; digits >= 2; digits -= 2) {
    p -= 2;
    std::memcpy(p, line_buffer_internal::kPairs.data() + value % 100 * 2, 2);
    value /= 100;
  }
  if (digits == 1) *--p = static_cast<char>('0' + value % 10);
  return end;
}

inline char* put_number(char* out, uint64_t value) {
  int digits = 1;
  for (uint64_t rest = value; rest >= 10; rest /= 10) digits++;
  return put_padded(out, value, digits);
}

}  // namespace telinject
