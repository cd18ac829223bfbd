// Text for code that has neither a heap nor stdio: a bounded buffer to append to, and the few
// conversions that the in-process side and the supervisor need. Async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject {

inline size_t text_length(const char* s) {
  size_t n = 0;
  while (s[n] != 0) n++;
  return n;
}

constexpr bool text_equal(const char* a, const char* b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a == *b;
}

inline bool text_starts(const char* text, const char* prefix) {
  while (*prefix != 0 && *text == *prefix) text++, prefix++;
  return *prefix == 0;
}

// The value of `name` in "name=value", else null.
inline const char* env_value(const char* entry, const char* name) {
  while (*name != 0 && *entry == *name) entry++, name++;
  return *name == 0 && *entry == '=' ? entry + 1 : nullptr;
}

inline const char* env_find(char* const* envp, const char* name) {
  for (; envp != nullptr && *envp != nullptr; envp++) {
    if (const char* value = env_value(*envp, name)) return value;
  }
  return nullptr;
}

// Appends; what does not fit is cut and remembered in `overflow`. Always terminated.
class TextBuffer {
 public:
  TextBuffer(char* data, size_t capacity) : data_(data), capacity_(capacity) { data_[0] = 0; }

  TextBuffer& add(char c) {
    if (size_ + 1 < capacity_) {
      data_[size_++] = c;
      data_[size_] = 0;
    } else {
      overflow_ = true;
    }
    return *this;
  }
  TextBuffer& add(const char* s) {
    while (*s != 0) add(*s++);
    return *this;
  }
  TextBuffer& add(const char* s, size_t n) {
    for (size_t i = 0; i < n; i++) add(s[i]);
    return *this;
  }
  TextBuffer& number(uint64_t value) {
    char digits[20];
    size_t n = 0;
    do digits[n++] = static_cast<char>('0' + value % 10);
    while ((value /= 10) != 0);
    while (n > 0) add(digits[--n]);
    return *this;
  }
  TextBuffer& hex(uint64_t value, int digits) {
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
      add("0123456789abcdef"[value >> shift & 15]);
    }
    return *this;
  }

  const char* text() const { return data_; }
  size_t size() const { return size_; }
  bool overflow() const { return overflow_; }
  size_t left() const { return capacity_ - 1 - size_; }

 private:
  char* data_;
  size_t capacity_;
  size_t size_ = 0;
  bool overflow_ = false;
};

// Exactly `digits` lowercase hex digits; false (and *value untouched) for anything else.
inline bool parse_hex(const char* s, int digits, uint64_t* value) {
  uint64_t v = 0;
  for (int i = 0; i < digits; i++) {
    char c = s[i];
    if (c >= '0' && c <= '9') {
      v = v << 4 | static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      v = v << 4 | static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return false;
    }
  }
  *value = v;
  return true;
}

// Decimal digits only, up to `stop` (which is not part of the number); null on error or overflow.
inline const char* parse_number(const char* s, uint64_t* value) {
  uint64_t v = 0;
  const char* p = s;
  for (; *p >= '0' && *p <= '9'; p++) {
    if (__builtin_mul_overflow(v, uint64_t{10}, &v) ||
        __builtin_add_overflow(v, static_cast<uint64_t>(*p - '0'), &v)) {
      return nullptr;
    }
  }
  if (p == s) return nullptr;
  *value = v;
  return p;
}

}  // namespace telinject
