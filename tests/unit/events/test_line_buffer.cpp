// Bytes of events: numbers and ids as text, in a buffer that grows.
#include <catch2/catch.hpp>

#include <cstdio>
#include <string>

#include "shim/events/json/line_buffer.h"

namespace telinject::test::line_buffer_test {
namespace {

std::string number(uint64_t value) {
  char text[32];
  return {text, put_number(text, value)};
}
template <int digits>
std::string padded(uint64_t value) {
  char text[32];
  return {text, put_padded<digits>(text, value)};
}
std::string millionths(uint64_t value) {
  char text[32];
  return {text, put_millionths(text, value)};
}
std::string hex(uint64_t value) {
  char text[32];
  return {text, put_hex16(text, value)};
}

}  // namespace

TEST_CASE("numbers are written as std::to_string does") {
  for (uint64_t value = 0; value < 20000; value++) {
    if (number(value) != std::to_string(value)) FAIL(value);
  }
  for (uint64_t power = 1;; power *= 10) {
    CHECK(number(power) == std::to_string(power));
    CHECK(number(power - 1) == std::to_string(power - 1));
    if (power > ~uint64_t{0} / 10) break;
  }
  CHECK(number(~uint64_t{0}) == "18446744073709551615");
}

TEST_CASE("numbers with leading zeros, of odd and even length") {
  CHECK(padded<1>(7) == "7");
  CHECK(padded<2>(7) == "07");
  CHECK(padded<2>(1907) == "07");
  CHECK(padded<3>(7) == "007");
  CHECK(padded<6>(42) == "000042");
  CHECK(padded<9>(123456789) == "123456789");
  CHECK(padded<9>(7123000089) == "123000089");
  CHECK(padded<9>(~uint64_t{0}) == "709551615");
}

TEST_CASE("nine digits, and the first three of them") {
  for (uint64_t value : {0u, 7u, 123456789u, 10000000u, 999999999u, 90807060u}) {
    char expected[32], text[32];
    std::snprintf(expected, sizeof expected, "%09lu", static_cast<unsigned long>(value));
    NineDigits digits(value);
    CHECK(std::string(text, digits.put(text)) == expected);
    CHECK(std::string(text, digits.put_three(text)) == std::string(expected, 3));
  }
}

TEST_CASE("every eight digits are right") {
  char expected[32];
  for (uint64_t value = 0; value < 100000000; value += 997) {
    std::snprintf(expected, sizeof expected, "%08lu", static_cast<unsigned long>(value));
    if (padded<8>(value) != expected) FAIL(expected << " became " << padded<8>(value));
    if (number(value) != std::to_string(value)) FAIL(value);
  }
}

TEST_CASE("fractions end with their last digit that is not 0") {
  for (uint64_t value = 1; value < 1000000; value++) {
    char expected[32];
    std::snprintf(expected, sizeof expected, "%06lu", static_cast<unsigned long>(value));
    std::string text = expected;
    text.erase(text.find_last_not_of('0') + 1);
    if (millionths(value) != text) FAIL(text << " became " << millionths(value));
  }
}

TEST_CASE("ids are written as printf does") {
  uint64_t value = 1;
  for (int i = 0; i < 10000; i++, value = value * 6364136223846793005 + 1442695040888963407) {
    char expected[17];
    std::snprintf(expected, sizeof expected, "%016lx", static_cast<unsigned long>(value));
    if (hex(value) != expected) FAIL(expected << " became " << hex(value));
  }
  CHECK(hex(0) == "0000000000000000");
  CHECK(hex(~uint64_t{0}) == "ffffffffffffffff");
  char text[8];
  CHECK(put_hex8(text, 0x0a9f0b8e) == text + 8);
  CHECK(std::string(text, 8) == "0a9f0b8e");
}

TEST_CASE("a line buffer grows and keeps what it has") {
  LineBuffer buffer(4);
  std::string all;
  for (int i = 0; i < 1000; i++) {
    std::string piece(static_cast<size_t>(i % 50), static_cast<char>('a' + i % 26));
    char* at = buffer.begin_line(piece.size() + 10);  // more than it takes
    buffer.end_line(put(at, piece));
    all += piece;
  }
  CHECK(buffer.text() == all);
  buffer.clear();
  CHECK(buffer.text() == "");
}

}  // namespace telinject::test::line_buffer_test
