// A buffer for lines of JSON. The caller asks for room once a line, writes through a pointer, which
// the compiler keeps in a register, and reports where the line ended.
#pragma once

#include <emmintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace telinject {

class LineBuffer {
 public:
  // Uninitialised: pages that no line reaches are never touched.
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
  // `data` of an empty text may be null.
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// A short text that is put often: `capacity` bytes are copied in any case, which takes a few
// instructions where the length of a text takes a call. There must be room for them.
template <size_t capacity>
class ShortText {
 public:
  void clear() { size_ = 0; }
  // Cuts text that does not fit.
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

// Eight digits at once.
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

// Sixteen digits at once: an event has 64 of them and more.
inline char* put_hex16(char* out, uint64_t value) {
  __m128i bytes = _mm_cvtsi64_si128(static_cast<long long>(__builtin_bswap64(value)));
  __m128i low_four = _mm_set1_epi8(0x0f);
  __m128i first = _mm_and_si128(_mm_srli_epi16(bytes, 4), low_four);
  __m128i digits = _mm_unpacklo_epi8(first, _mm_and_si128(bytes, low_four));
  __m128i letters = _mm_cmpgt_epi8(digits, _mm_set1_epi8(9));
  __m128i text = _mm_add_epi8(_mm_add_epi8(digits, _mm_set1_epi8('0')),
                              _mm_and_si128(letters, _mm_set1_epi8('a' - '0' - 10)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), text);
  return out + sizeof text;
}

// Decimal digits are made eight at once, and eight bytes are written where fewer are digits: so up
// to kBeyond bytes behind a number are overwritten.
inline constexpr size_t kBeyond = 7;
inline constexpr size_t kNumberBytes = 20 + kBeyond;

namespace line_buffer_internal {

inline constexpr uint64_t kZeros = 0x3030303030303030;
inline constexpr uint64_t kEightDigits = 100000000;

// The digits of a value below 10^8 as bytes from 0 to 9, the first digit in the lowest byte: its
// halves are divided at the same time, then four pairs.
inline uint64_t eight_digits(uint64_t value) {
  uint64_t halves = value / 10000 | value % 10000 << 32;
  uint64_t hundreds = (halves * 10486 >> 20) & 0x0000007f'0000007f;
  uint64_t pairs = hundreds | (halves - 100 * hundreds) << 16;
  uint64_t tens = (pairs * 103 >> 10) & 0x000f000f'000f000f;
  return tens | (pairs - 10 * tens) << 8;
}

inline char* put_bytes(char* out, uint64_t bytes, int count) {
  std::memcpy(out, &bytes, sizeof bytes);
  return out + count;
}

}  // namespace line_buffer_internal

// The nine digits of a fraction of a second, below 10^9.
class NineDigits {
 public:
  explicit NineDigits(uint64_t value)
      : eight_(line_buffer_internal::eight_digits(value / 10) | line_buffer_internal::kZeros),
        last_(static_cast<char>('0' + value % 10)) {}
  // The first three. Room as for put_padded().
  char* put_three(char* out) const { return line_buffer_internal::put_bytes(out, eight_, 3); }
  char* put(char* out) const {
    out = line_buffer_internal::put_bytes(out, eight_, 8);
    *out = last_;
    return out + 1;
  }

 private:
  uint64_t eight_;
  char last_;
};

// The lowest `digits` decimal digits, with leading zeros.
template <int digits>
char* put_padded(char* out, uint64_t value) {
  using namespace line_buffer_internal;
  if constexpr (digits > 8) {
    out = put_padded<digits - 8>(out, value / kEightDigits);
    return put_padded<8>(out, value);
  } else {
    uint64_t text = eight_digits(value % kEightDigits) | kZeros;
    return put_bytes(out, text >> (64 - 8 * digits), digits);
  }
}

inline char* put_number(char* out, uint64_t value) {
  using namespace line_buffer_internal;
  if (value >= kEightDigits) {
    out = put_number(out, value / kEightDigits);
    return put_padded<8>(out, value);
  }
  uint64_t digits = eight_digits(value);
  constexpr uint64_t kLastDigit = uint64_t{1} << 56;  // is written also if it is 0
  int leading_bits = std::countr_zero(digits | kLastDigit) / 8 * 8;
  return put_bytes(out, (digits | kZeros) >> leading_bits, 8 - leading_bits / 8);
}

// A fraction in millionths, as decimals without trailing zeros; not 0.
inline char* put_millionths(char* out, uint64_t value) {
  using namespace line_buffer_internal;
  uint64_t digits = eight_digits(value * 100 % kEightDigits);
  return put_bytes(out, digits | kZeros, 8 - std::countl_zero(digits) / 8);
}

}  // namespace telinject
