// JSON by hand: what is written must be read back by a parser that is not ours.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <string>

#include "shim/events/json/json_text.h"

namespace telinject::test::json_text_test {
namespace {

using nlohmann::json;

std::string parsed(const std::string& text) {
  return json::parse("\"" + json_escaped(text) + "\"").get<std::string>();
}

constexpr const char* kReplacement = "\xef\xbf\xbd";

std::string replacements(int count) {
  std::string text;
  for (int i = 0; i < count; i++) text += kReplacement;
  return text;
}

}  // namespace

TEST_CASE("quotes, backslashes and control characters are escaped") {
  CHECK(json_escaped("plain text/<T&>'") == "plain text/<T&>'");
  CHECK(json_escaped("a\"b\\c") == "a\\\"b\\\\c");
  CHECK(json_escaped("\n\t\r\b") == "\\n\\t\\u000d\\u0008");
  CHECK(json_escaped(std::string("\0\x1f\x7f", 3)) == "\\u0000\\u001f\\u007f");
}

TEST_CASE("every byte below 128 comes back") {
  std::string all;
  for (int c = 0; c < 128; c++) all += static_cast<char>(c);
  CHECK(parsed(all) == all);
}

TEST_CASE("what terminals act on is escaped, though JSON does not ask for it") {
  CHECK(json_escaped("\xc2\x9b"
                     "31m") == "\\u009b31m");
  CHECK(json_escaped("a\xe2\x80\xae"
                     "b\xe2\x81\xa9") == "a\\u202eb\\u2069");
  CHECK(parsed("\xc2\x9b \xe2\x80\xa8") == "\xc2\x9b \xe2\x80\xa8");
  CHECK(with_terminal_escapes("{\"a\":\"\x7f\xc2\x9b\xe2\x80\xae\xc3\xa9\"}") ==
        "{\"a\":\"\\u007f\\u009b\\u202e\xc3\xa9\"}");
}

TEST_CASE("well-formed UTF-8 comes back as it was") {
  for (const char* text :
       {"\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "na\xc3\xafve"}) {
    CAPTURE(text);
    CHECK(json_escaped(text) == text);
    CHECK(parsed(text) == text);
  }
}

TEST_CASE("ill-formed UTF-8 becomes replacement characters, one for each maximal part") {
  struct Example {
    const char* text;
    int replaced;
  };
  // Tables 3-8 to 3-11 of the Unicode standard, and ends of text within a sequence.
  for (const Example& example : {Example{"\xc0\xaf", 2},
                                 {"\xe0\x80\xbf", 3},
                                 {"\xf0\x81\x82", 3},
                                 {"\xed\xa0\x80", 3},
                                 {"\xed\xbf\xbf", 3},
                                 {"\xf4\x91\x92\x93", 4},
                                 {"\xff", 1},
                                 {"\x80\xbf", 2},
                                 {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf", 4},
                                 {"\xc3", 1},
                                 {"\xe2\x82", 1},
                                 {"\xf0\x9f\x98", 1}}) {
    CAPTURE(json_escaped(example.text));
    CHECK(parsed(example.text) == replacements(example.replaced));
    CHECK(parsed(std::string("a") + example.text + "b") ==
          "a" + replacements(example.replaced) + "b");
  }
  CHECK(parsed("\xf0\x80\x80\x41") == replacements(3) + "A");
  CHECK(parsed("\xc2\xc2\xa9") == replacements(1) + "\xc2\xa9");
}

TEST_CASE("any three bytes make JSON that a parser takes") {
  std::string text(3, 0);
  for (int first = 0; first < 256; first++) {
    for (int second :
         {0x00, 0x22, 0x5c, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xf0, 0xff}) {
      for (int third : {0x00, 0x22, 0x41, 0x80, 0xbf, 0xe1, 0xff}) {
        text = {static_cast<char>(first), static_cast<char>(second), static_cast<char>(third)};
        if (!json::accept("\"" + json_escaped(text) + "\"")) FAIL(first << " " << second);
      }
    }
  }
}

TEST_CASE("members") {
  JsonText text;
  text.member("file", "a\"b");
  text.member("line", uint64_t{12});
  CHECK(text.view() == R"("file":"a\"b","line":12,)");
  text.end_members();
  CHECK(text.view() == R"("file":"a\"b","line":12)");
  text.clear();
  text.object("headers", {{"a\"b", "c"}, {"", ""}});
  CHECK(text.view() == R"("headers":{"a\"b":"c","":""},)");
}

TEST_CASE("texts of every length, with one character of another kind at every place") {
  for (std::string_view special : {"\"", "\\", "\x01", "\x7f", "\xc3\xa9", "\xff"}) {
    for (size_t length = 0; length < 70; length++) {
      std::string plain(length, 'x');
      CHECK(json_escaped(plain) == plain);
      for (size_t at = 0; at <= length; at++) {
        std::string text = plain, expected = plain;
        text.insert(at, special);
        expected.insert(at, special == "\xff" ? "\xef\xbf\xbd" : special);
        if (parsed(text) != expected) FAIL(length << " " << at);
      }
    }
  }
}

}  // namespace telinject::test::json_text_test
