// Members of objects, as they are written.
#include <catch2/catch.hpp>

#include "shim/receivers/event_line.h"
#include "shim/receivers/raw_json.h"

namespace telinject::test::raw_json_test {
using namespace receivers;

TEST_CASE("values are those of the text, whatever is in them") {
  RawObject object(
      R"( {"a":1, "b" : "x\"},{" ,"c":{"d":[1,"]}"],"e":{}},"f":null,"g":"","h":-1.5e3,"i":true} )");
  CHECK(object.get("a") == "1");
  CHECK(object.get("b") == R"("x\"},{")");
  CHECK(object.get("c") == R"({"d":[1,"]}"],"e":{}})");
  CHECK(object.object("c").get("d") == R"([1,"]}"])");
  CHECK(object.get("f").empty());
  CHECK(object.get("g") == "\"\"");
  CHECK(object.get("h") == "-1.5e3");
  CHECK(object.get("i") == "true");
  CHECK(object.get("d").empty());
  CHECK(object.members().size() == 7);
  CHECK(within_quotes("\"x\"") == "x");
  CHECK(within_quotes("12").empty());
  CHECK(is_text("\"x\"", "x"));
  CHECK_FALSE(is_text("x", "x"));
}

TEST_CASE("what is no object has no members; a damaged one those before the damage") {
  for (const char* text : {"", " ", "[]", "1", "\"a\"", "{", "{\"", "{\"a", "{\"a\"", "{\"a\":",
                           "{\"a\":\"", "{\"a\":\"\\", "{\"a\":{", "{\"a\":[", "{a:1}", "{,"}) {
    CAPTURE(text);
    CHECK(RawObject(text).members().empty());
  }
  CHECK(RawObject("{\"a\":1,\"b\":{").members().size() == 1);
  CHECK(RawObject("{\"a\":1,\"b\"").get("a") == "1");
  CHECK(RawObject("{\"a\":1").members().empty());
}

TEST_CASE("names with dots become objects") {
  std::string text;
  NestedWriter writer(&text);
  writer.put("a", "1");
  writer.put("b.c", "2");
  writer.put("b.missing", "");
  writer.put_text("b.d.e", "x");
  writer.put_array("b.d.f", "3");
  writer.put("b.g", "4");
  writer.put("h.i.j", "5");
  writer.put("k", "6");
  writer.end();
  CHECK(text == R"({"a":1,"b":{"c":2,"d":{"e":"x","f":[3]},"g":4},"h":{"i":{"j":5}},"k":6})");
  text.clear();
  NestedWriter(&text).end();
  CHECK(text == "{}");
}

TEST_CASE("traces, times, span ids") {
  TraceId trace =
      trace_of_line(R"({"a":"b","trace_id":"0123456789abcdef00000000000000ff","span_id":"1"})");
  CHECK(trace.hi == 0x0123456789abcdef);
  CHECK(trace.lo == 0xff);
  CHECK(trace_of_line(R"({"trace_id":"0123"})").hi == 0);
  CHECK(trace_of_line(R"({"trace_id":"0123456789abcdefg0000000000000ff"})").hi == 0);
  std::string_view seconds;
  std::string fraction;
  CHECK(split_time("1762197341499000007", &seconds, &fraction));
  CHECK(seconds == "1762197341");
  CHECK(fraction == "499000007");
  CHECK(split_time("7", &seconds, &fraction));
  CHECK(seconds == "0");
  CHECK(fraction == "000000007");
  for (const char* no : {"", "-1", "1.5", "1e9", "\"1\""}) {
    CHECK_FALSE(split_time(no, &seconds, &fraction));
  }
  CHECK(decimal_of_hex("00000000000000ff") == "255");
  CHECK(decimal_of_hex("ffffffffffffffff") == "18446744073709551615");
  CHECK(decimal_of_hex("ff").empty());
}

}  // namespace telinject::test::raw_json_test
