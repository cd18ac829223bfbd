// Reads the unaligned, little-endian data of .eh_frame: numbers, LEB128 and encoded pointers.
// Async-signal-safe.
#pragma once

#include <cstdint>

namespace telinject::program {

// A cursor that never passes `end`. What lies behind the end reads as 0.
class DwarfBytes {
 public:
  // Encodings of pointers (DW_EH_PE_...).
  static constexpr uint8_t kOmit = 0xff, kPcRelative = 0x10, kDataRelative = 0x30;

  DwarfBytes(const unsigned char* at, const unsigned char* end) : at_(at), end_(end) {}
  const unsigned char* at() const { return at_; }
  bool good() const { return at_ < end_; }
  void skip(uint64_t bytes) {
    at_ = bytes <= static_cast<uint64_t>(end_ - at_) ? at_ + bytes : end_;
  }
  uint64_t take(uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes && at_ < end_; i++) value |= uint64_t{*at_++} << (8 * i);
    return value;
  }
  int64_t take_signed(uint32_t bytes) {
    uint32_t unused = 64 - 8 * bytes;
    return static_cast<int64_t>(take(bytes) << unused) >> unused;
  }
  uint64_t uleb() {
    uint64_t value = 0;
    for (uint32_t shift = 0; at_ < end_; shift += 7) {
      uint8_t byte = *at_++;
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) break;
    }
    return value;
  }
  int64_t sleb() {
    uint64_t value = 0;
    uint32_t shift = 0;
    while (at_ < end_) {
      uint8_t byte = *at_++;
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if ((byte & 0x80) != 0) continue;
      if ((byte & 0x40) != 0 && shift < 64) value |= ~uint64_t{0} << shift;
      break;
    }
    return static_cast<int64_t>(value);
  }
  // A pointer in one of .eh_frame's encodings; `data` is the base of data-relative ones. Pointers
  // relative to text are not used on x86-64.
  uintptr_t pointer(uint8_t encoding, uintptr_t data) {
    if (encoding == kOmit) return 0;
    auto base = reinterpret_cast<uintptr_t>(at_);
    uintptr_t value = 0;
    switch (encoding & 0x0f) {
      case 0x00:
      case 0x04:
      case 0x0c:
        value = take(8);
        break;
      case 0x01:
        value = uleb();
        break;
      case 0x02:
        value = take(2);
        break;
      case 0x03:
        value = take(4);
        break;
      case 0x09:
        value = static_cast<uintptr_t>(sleb());
        break;
      case 0x0a:
        value = static_cast<uintptr_t>(take_signed(2));
        break;
      case 0x0b:
        value = static_cast<uintptr_t>(take_signed(4));
        break;
      default:
        at_ = end_;
        return 0;
    }
    switch (encoding & 0x70) {
      case kPcRelative:
        return value + base;
      case kDataRelative:
        return value + data;
      default:
        return value;
    }
  }

 private:
  const unsigned char* at_;
  const unsigned char* end_;
};

}  // namespace telinject::program
