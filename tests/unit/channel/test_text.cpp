// Text without heap and stdio.
#include <catch2/catch.hpp>

#include <string>

#include "shim/channel/text.h"

namespace telinject::test::text_test {

TEST_CASE("a buffer cuts what does not fit, says so, and is always terminated") {
  char data[8];
  TextBuffer buffer(data, sizeof data);
  CHECK(std::string(buffer.text()) == "");
  buffer.add("1234567");
  CHECK_FALSE(buffer.overflow());
  CHECK(std::string(buffer.text()) == "1234567");
  buffer.add('8');
  CHECK(buffer.overflow());
  CHECK(buffer.size() == 7);
  CHECK(std::string(buffer.text()) == "1234567");
}

TEST_CASE("numbers of every length") {
  char data[64];
  CHECK(std::string(TextBuffer(data, sizeof data).number(0).text()) == "0");
  CHECK(std::string(TextBuffer(data, sizeof data).number(10).text()) == "10");
  CHECK(std::string(TextBuffer(data, sizeof data).number(~uint64_t{0}).text()) ==
        "18446744073709551615");
  CHECK(std::string(TextBuffer(data, sizeof data).hex(0xab, 4).text()) == "00ab");
  CHECK(std::string(TextBuffer(data, sizeof data).hex(~uint64_t{0}, 16).text()) ==
        "ffffffffffffffff");
  CHECK(std::string(TextBuffer(data, sizeof data).hex(0x12345, 3).text()) == "345");
}

TEST_CASE("hex digits are read exactly, or not at all") {
  uint64_t value = 7;
  CHECK(parse_hex("00ff", 4, &value));
  CHECK(value == 0xff);
  CHECK(parse_hex("0123456789abcdef rest", 16, &value));
  CHECK(value == 0x0123456789abcdef);
  value = 7;
  CHECK_FALSE(parse_hex("ff", 4, &value));
  CHECK_FALSE(parse_hex("00FF", 4, &value));
  CHECK_FALSE(parse_hex("", 1, &value));
  CHECK(value == 7);
}

TEST_CASE("decimal numbers stop where they end, and say when they are too large") {
  uint64_t value = 7;
  const char* text = "123:rest";
  CHECK(parse_number(text, &value) == text + 3);
  CHECK(value == 123);
  value = 7;
  CHECK(parse_number("", &value) == nullptr);
  CHECK(parse_number(":", &value) == nullptr);
  CHECK(parse_number("-1", &value) == nullptr);
  CHECK(parse_number("18446744073709551616", &value) == nullptr);
  CHECK(parse_number("99999999999999999999", &value) == nullptr);
  CHECK(parse_number("184467440737095516150", &value) == nullptr);
  CHECK(value == 7);
  CHECK(parse_number("18446744073709551615", &value) != nullptr);
  CHECK(value == ~uint64_t{0});
}

TEST_CASE("variables are found by their whole name, the first of several") {
  char a[] = "AB=1", b[] = "A=2", c[] = "A=3";
  char* environment[] = {a, b, c, nullptr};
  CHECK(std::string(env_find(environment, "A")) == "2");
  CHECK(std::string(env_find(environment, "AB")) == "1");
  CHECK(env_find(environment, "ABC") == nullptr);
  CHECK(env_find(environment, "") == nullptr);
  CHECK(env_find(nullptr, "A") == nullptr);
}

TEST_CASE("comparing") {
  CHECK(text_equal("", ""));
  CHECK(text_equal("ab", "ab"));
  CHECK_FALSE(text_equal("ab", "abc"));
  CHECK_FALSE(text_equal("abc", "ab"));
  CHECK(text_starts("abc", "ab"));
  CHECK(text_starts("abc", ""));
  CHECK_FALSE(text_starts("ab", "abc"));
}

}  // namespace telinject::test::text_test
