// traceparent, by the examples of the W3C's own test suite and specification.
#include <catch2/catch.hpp>

#include <string>

#include "shim/channel/traceparent.h"

namespace telinject::test::traceparent_test {
namespace {

constexpr const char* kExample = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

bool valid(const std::string& text) {
  TraceContext context;
  bool parsed = parse_traceparent(text.c_str(), &context);
  CHECK(parsed == (context.valid != 0));
  return parsed;
}

}  // namespace

TEST_CASE("the specification's example") {
  TraceContext context;
  REQUIRE(parse_traceparent(kExample, &context));
  CHECK(context.trace_hi == 0x0af7651916cd43dd);
  CHECK(context.trace_lo == 0x8448eb211c80319c);
  CHECK(context.span_id == 0xb7ad6b7169203331);
  CHECK(context.sampled == 1);
  char text[kTraceparentLength + 1];
  format_traceparent(context, text);
  CHECK(std::string(text) == kExample);
}

TEST_CASE("of the flags, the lowest bit is the sampled one") {
  std::string head = std::string(kExample).substr(0, 53);
  TraceContext context;
  REQUIRE(parse_traceparent((head + "00").c_str(), &context));
  CHECK(context.sampled == 0);
  char text[kTraceparentLength + 1];
  format_traceparent(context, text);
  CHECK(std::string(text) == head + "00");
  REQUIRE(parse_traceparent((head + "fe").c_str(), &context));
  CHECK(context.sampled == 0);
  REQUIRE(parse_traceparent((head + "03").c_str(), &context));
  CHECK(context.sampled == 1);
}

TEST_CASE("ids of half zeros are ids, ids of zeros are none") {
  CHECK(valid("00-00000000000000000000000000000001-b7ad6b7169203331-01"));
  CHECK(valid("00-00000000000000010000000000000000-b7ad6b7169203331-01"));
  CHECK_FALSE(valid("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
  CHECK_FALSE(valid("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"));
}

TEST_CASE("version 00 ends with its flags, higher ones may go on after a dash") {
  std::string rest = std::string(kExample).substr(2);
  CHECK_FALSE(valid("00" + rest + "-"));
  CHECK_FALSE(valid("00" + rest + "-what"));
  CHECK_FALSE(valid("00" + rest + "."));
  CHECK(valid("01" + rest));
  CHECK(valid("cc" + rest + "-what-the-future-will-be-like"));
  CHECK(valid("fe" + rest + "-"));
  CHECK_FALSE(valid("cc" + rest + ".what"));
  CHECK_FALSE(valid("cc" + rest + "0"));
  CHECK_FALSE(valid("ff" + rest));
}

TEST_CASE("anything else is refused: cut, upper case, other signs, other separators") {
  std::string good = kExample;
  for (size_t length = 0; length < good.size(); length++)
    CHECK_FALSE(valid(good.substr(0, length)));
  for (size_t i = 0; i < good.size(); i++) {
    CAPTURE(i);
    std::string wrong = good;
    for (char c : {'g', ' ', 'A', '.', '\xff'}) {
      wrong[i] = c;
      CHECK_FALSE(valid(wrong));
    }
  }
  CHECK_FALSE(valid(" " + good));
  CHECK_FALSE(valid(good + " "));
}

TEST_CASE("what is refused leaves no half-read context") {
  TraceContext context = {1, 2, 3, 1, 1};
  CHECK_FALSE(
      parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", &context));
  CHECK(context.valid == 0);
  CHECK(context.trace_hi == 0);
  CHECK(context.span_id == 0);
}

}  // namespace telinject::test::traceparent_test
