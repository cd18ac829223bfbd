#include "arch/x86_64/arithmetic.h"

namespace telinject::arch {

void Arithmetic::set_flags(uint64_t result, uint32_t bytes) {
  zero_ = (result & low_bytes(bytes)) == 0;
  sign_ = (result >> (8 * bytes - 1) & 1) != 0;
  carry_ = overflow_ = false;
}

void Arithmetic::add(uint64_t a, uint64_t b, uint32_t bytes, uint64_t* result) {
  uint64_t sign_bit = uint64_t{1} << (8 * bytes - 1);
  *result = (a + b) & low_bytes(bytes);
  set_flags(*result, bytes);
  carry_ = *result < a;
  overflow_ = (~(a ^ b) & (a ^ *result) & sign_bit) != 0;
}

void Arithmetic::subtract(uint64_t a, uint64_t b, uint32_t bytes, uint64_t* result) {
  uint64_t sign_bit = uint64_t{1} << (8 * bytes - 1);
  *result = (a - b) & low_bytes(bytes);
  set_flags(*result, bytes);
  carry_ = a < b;
  overflow_ = ((a ^ b) & (a ^ *result) & sign_bit) != 0;
}

bool Arithmetic::compute(uint32_t operation, uint64_t a, uint64_t b, uint32_t bytes,
                         uint64_t* result) {
  a &= low_bytes(bytes);
  b &= low_bytes(bytes);
  switch (operation) {
    case kAdd:
      add(a, b, bytes, result);
      return true;
    case kSub:
    case kCompare:
      subtract(a, b, bytes, result);
      return true;
    case kOr:
      *result = a | b;
      break;
    case kAnd:
      *result = a & b;
      break;
    case kXor:
      *result = a ^ b;
      break;
    default:
      return false;
  }
  set_flags(*result, bytes);
  return true;
}

bool Arithmetic::holds(uint32_t condition) const {
  bool value = false;
  switch (condition >> 1) {
    case 0:
      value = overflow_;
      break;
    case 1:
      value = carry_;
      break;
    case 2:
      value = zero_;
      break;
    case 3:
      value = carry_ || zero_;
      break;
    case 4:
      value = sign_;
      break;
    case 6:
      value = sign_ != overflow_;
      break;
    case 7:
      value = zero_ || sign_ != overflow_;
      break;
    default:
      break;
  }
  return value != ((condition & 1) != 0);
}

}  // namespace telinject::arch
