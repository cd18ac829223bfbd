// The arithmetic instructions that the interpreter knows, and the flags that they set.
#pragma once

#include <cstdint>

namespace telinject::arch {

// The low `bytes` bytes of a register.
constexpr uint64_t low_bytes(uint32_t bytes) {
  return bytes == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes)) - 1;
}

constexpr uint64_t sign_extended(uint64_t value, uint32_t bytes) {
  uint32_t unused = 64 - 8 * bytes;
  return static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused);
}

class Arithmetic {
 public:
  // As in an instruction's code. Those that are missing (adc, sbb) are not known.
  enum Operation : uint32_t { kAdd = 0, kOr = 1, kAnd = 4, kSub = 5, kXor = 6, kCompare = 7 };

  // Computes `a operation b` for operands of so many bytes. False if the operation is not known.
  bool compute(uint32_t operation, uint64_t a, uint64_t b, uint32_t bytes, uint64_t* result);
  // Sets the flags as logical instructions and shifts do.
  void set_flags(uint64_t result, uint32_t bytes);
  // True if the flags fulfil a condition of jcc, setcc or cmovcc.
  bool holds(uint32_t condition) const;

 private:
  void add(uint64_t a, uint64_t b, uint32_t bytes, uint64_t* result);
  void subtract(uint64_t a, uint64_t b, uint32_t bytes, uint64_t* result);
  bool zero_ = false, sign_ = false, carry_ = false, overflow_ = false;
};

}  // namespace telinject::arch
