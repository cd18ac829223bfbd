// Numbers and text from bytes that may be damaged: reading past the end gives zeros, and `ok()`
// says so afterwards, once, instead of a check at each step.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace telinject {

class ByteReader {
 public:
  explicit ByteReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return position_ >= bytes_.size(); }
  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  uint8_t u8() { return fixed<uint8_t>(); }
  uint16_t u16() { return fixed<uint16_t>(); }
  uint32_t u32() { return fixed<uint32_t>(); }
  uint64_t u64() { return fixed<uint64_t>(); }
  // A section offset or length of 32- or 64-bit DWARF.
  uint64_t offset(bool wide) { return wide ? u64() : u32(); }

  uint64_t uleb() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      uint8_t byte = u8();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }

  int64_t sleb() {
    uint64_t value = 0;
    for (unsigned shift = 0;;) {
      uint8_t byte = u8();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      shift += 7;
      if ((byte & 0x80) != 0) continue;
      if ((byte & 0x40) != 0 && shift < 64) value |= ~uint64_t{0} << shift;
      return static_cast<int64_t>(value);
    }
  }

  // Up to a terminating zero, which is read too.
  std::string_view text() {
    const void* end = left() == 0 ? nullptr : memchr(bytes_.data() + position_, 0, left());
    if (end == nullptr) {
      fail();
      return {};
    }
    const char* begin = reinterpret_cast<const char*>(bytes_.data() + position_);
    size_t length = static_cast<size_t>(static_cast<const char*>(end) - begin);
    position_ += length + 1;
    return {begin, length};
  }

  void skip(uint64_t count) { part(count); }
  // The next `count` bytes, to read on their own.
  std::span<const uint8_t> part(uint64_t count) {
    if (count > left()) {
      fail();
      return {};
    }
    std::span<const uint8_t> bytes = bytes_.subspan(position_, count);
    position_ += count;
    return bytes;
  }

 private:
  void fail() {
    ok_ = false;
    position_ = bytes_.size();
  }
  template <typename T>
  T fixed() {
    T value = 0;
    if (left() < sizeof value) {
      fail();
      return 0;
    }
    memcpy(&value, bytes_.data() + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace telinject
