// The interpreter's arithmetic against the processor's: results, and what conditions make of the
// flags.
#include <catch2/catch.hpp>
#include <cstdint>

#include "arch/x86_64/arithmetic.h"

using namespace telinject::arch;

namespace {

struct Outcome {
  uint64_t result;
  bool sign, zero, carry, overflow;
};

Outcome make_outcome(uint64_t result, uint8_t flags, uint8_t overflow) {
  return {result, (flags & 0x80) != 0, (flags & 0x40) != 0, (flags & 1) != 0, overflow != 0};
}

#define EXECUTE(instruction, type)                                                       \
  {                                                                                      \
    auto value = static_cast<type>(a);                                                   \
    auto other = static_cast<type>(b);                                                   \
    uint16_t ax;                                                                         \
    __asm__(instruction " %2, %0\n\tlahf\n\tseto %%al"                                   \
            : "+r"(value), "=&a"(ax)                                                     \
            : "r"(other)                                                                 \
            : "cc");                                                                     \
    return make_outcome(value, static_cast<uint8_t>(ax >> 8), static_cast<uint8_t>(ax)); \
  }
#define EXECUTE_SIZES(instruction)                     \
  {                                                    \
    if (bytes == 1) EXECUTE(instruction "b", uint8_t)  \
    if (bytes == 4) EXECUTE(instruction "l", uint32_t) \
    EXECUTE(instruction "q", uint64_t)                 \
  }

Outcome execute(uint32_t operation, uint64_t a, uint64_t b, uint32_t bytes) {
  switch (operation) {
    case Arithmetic::kAdd:
      EXECUTE_SIZES("add")
    case Arithmetic::kOr:
      EXECUTE_SIZES("or")
    case Arithmetic::kAnd:
      EXECUTE_SIZES("and")
    case Arithmetic::kXor:
      EXECUTE_SIZES("xor")
    default:
      EXECUTE_SIZES("sub")
  }
}

// By the manual: which flags a condition's code looks at.
bool holds(const Outcome& outcome, uint32_t condition) {
  bool value = false;
  switch (condition / 2) {
    case 0:
      value = outcome.overflow;
      break;
    case 1:
      value = outcome.carry;
      break;
    case 2:
      value = outcome.zero;
      break;
    case 3:
      value = outcome.carry || outcome.zero;
      break;
    case 4:
      value = outcome.sign;
      break;
    case 6:
      value = outcome.sign != outcome.overflow;
      break;
    default:
      value = outcome.zero || outcome.sign != outcome.overflow;
  }
  return value != (condition % 2 == 1);
}

constexpr uint64_t kValues[] = {0,
                                1,
                                2,
                                0x7f,
                                0x80,
                                0xff,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                0x7fffffffffffffff,
                                0x8000000000000000,
                                0xffffffffffffffff,
                                0x123456789abcdef0};

}  // namespace

TEST_CASE("arithmetic has the processor's results and flags") {
  uint32_t operation = GENERATE(0u, 1u, 4u, 5u, 6u, 7u);
  uint32_t bytes = GENERATE(1u, 4u, 8u);
  for (uint64_t a : kValues) {
    for (uint64_t b : kValues) {
      INFO("operation " << operation << ", " << bytes << " bytes, " << a << ", " << b);
      Arithmetic flags;
      uint64_t result;
      REQUIRE(flags.compute(operation, a, b, bytes, &result));
      Outcome expected = execute(operation, a, b, bytes);
      REQUIRE(result == expected.result);
      for (uint32_t condition : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15}) {
        INFO("condition " << condition);
        REQUIRE(flags.holds(condition) == holds(expected, condition));
      }
    }
  }
}

TEST_CASE("adc and sbb are not known") {
  Arithmetic flags;
  uint64_t result;
  CHECK_FALSE(flags.compute(2, 1, 1, 8, &result));
  CHECK_FALSE(flags.compute(3, 1, 1, 8, &result));
}
