// What others have written, made fit for a terminal.
#include <catch2/catch.hpp>

#include <string>

#include "shim/channel/printable.h"

namespace telinject::test::printable_test {
namespace {

std::string printable(const std::string& text, size_t room = 200, bool* whole = nullptr) {
  std::string bytes(room + 1, '!');
  TextBuffer out(bytes.data(), bytes.size());
  bool all = add_printable(&out, text.data(), text.size());
  if (whole != nullptr) *whole = all;
  return out.text();
}

}  // namespace

TEST_CASE("what terminals act on is escaped, whatever is written with it") {
  CHECK(printable("\x1b]0;title\a") == "\\x1b]0;title\\x07");
  CHECK(printable(std::string("\0\x1f\x7f", 3)) == "\\x00\\x1f\\x7f");
  CHECK(printable("a\nb\rc\td") == "a\\nb\\rc\\td");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\u009b31m");  // CSI, of C1
  CHECK(printable("\xc2\x80\xc2\x9f") == "\\u0080\\u009f");
  CHECK(printable("\x9b"
                  "31m") ==
        "\\x9b"
        "31m");  // the same as a byte
}

TEST_CASE("what turns text round, ends a line or shows nothing is escaped") {
  CHECK(printable("a\xe2\x80\xae"
                  "b") == "a\\u202eb");
  for (const char* text :
       {"\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\x8b", "\xe2\x80\x8f", "\xef\xbb\xbf", "\xd8\x9c"}) {
    CAPTURE(text);
    CHECK(printable(text).substr(0, 2) == "\\u");
    CHECK(printable(text).size() == 6);
  }
  CHECK(printable("\xf3\xa0\x81\x81") == "\\U000e0041");  // a tag
}

TEST_CASE("what is not UTF-8 is escaped byte by byte") {
  CHECK(printable("\xff\xfe") == "\\xff\\xfe");
  CHECK(printable("\xc0\x9b") == "\\xc0\\x9b");  // longer than needed
  CHECK(printable("\xe0\x80\x8a") == "\\xe0\\x80\\x8a");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // half a pair
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(printable("\xe2\x82") == "\\xe2\\x82");  // cut
  CHECK(printable("\xe2(") == "\\xe2(");
}

TEST_CASE("all else stays as it is") {
  for (const char* text : {"", "std::vector<int>::push_back", "/home/\xc3\xbc/\xe2\x82\xac.jsonl",
                           "\xf0\x9f\x90\x9b \xe4\xb8\xad", "C:\\x1b", "\xc2\xa0"}) {
    CHECK(printable(text) == text);
  }
}

TEST_CASE("what does not fit is cut between characters") {
  bool whole = true;
  CHECK(printable("ab\x1b", 5, &whole) == "ab");
  CHECK_FALSE(whole);
  CHECK(printable("ab\xe2\x82\xac", 4, &whole) == "ab");
  CHECK_FALSE(whole);
  CHECK(printable("ab\x1b", 6, &whole) == "ab\\x1b");
  CHECK(whole);
}

}  // namespace telinject::test::printable_test
