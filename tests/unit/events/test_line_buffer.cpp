// Bytes of events: numbers and ids as text, in a buffer that grows.
#include <catch2/catch.hpp>

#include <cstdio>
#include <string>

#include "shim/events/json/line_buffer.h"

namespace telinject::test {
namespace {

std::string number(uint64_t value) {
  char text[32];
  return {text, put_number(text, value)};
}
std::string padded(uint64_t value, int digits) {
  char text[32];
  return {text, put_padded(text, value, digits)};
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
  CHECK(padded(7, 1) == "7");
  CHECK(padded(7, 2) == "07");
  CHECK(padded(7, 3) == "007");
  CHECK(padded(123456789, 9) == "123456789");
  CHECK(padded(42, 6) == "000042");
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

}  // namespace telinject::test
