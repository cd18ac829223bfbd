// Time is linear in a text's length, whatever is in it: each of these would take hours if it grew
// with the square.
#include <catch2/catch.hpp>

#include <string>

#include "shim/redaction/redactor.h"

namespace telinject::test::long_texts_test {

using redaction::Redactor;

namespace {

std::string repeated(std::string_view piece, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text.append(piece);
  return text;
}

}  // namespace

TEST_CASE("long texts of what begins rules over and over") {
  for (const char* piece : {"a",
                            "-",
                            "/",
                            "//",
                            "//u:x/",
                            "//u:",
                            "sk-",
                            "sk-/",
                            "eyJ.",
                            "a.eyJ",
                            "$1$",
                            "$2b$10$",
                            "password=",
                            "password: ",
                            "password ",
                            "token=a,b,",
                            "token=a;",
                            "a=&",
                            "\"password\":",
                            "\"",
                            "'",
                            "\\\"",
                            "\\",
                            "x=\\\"",
                            "%",
                            "%2",
                            "%25",
                            "%3D",
                            "%3a%2f%2f",
                            "a%3Db&",
                            "-----BEGIN ",
                            "-----BEGIN PRIVATE KEY-----",
                            "<password>",
                            "1:",
                            "1234567:",
                            "bot1:",
                            "/bot1:",
                            "u:p@",
                            "u:p",
                            "Bearer ",
                            "identified by ",
                            "identified ",
                            "mysql -p ",
                            "echo x | ",
                            "a=b ",
                            "(",
                            "hooks.slack.com/",
                            "/hooks.slack.com/",
                            "curl -u ",
                            "{\"a\":",
                            "key/",
                            "/token/",
                            "\xc3\xa4"}) {
    CAPTURE(piece);
    std::string text = repeated(piece, 1 << 20), out;
    Redactor redactor;
    redactor.url(text, &out);
    CHECK(redactor.text(text).size() <= 9 * text.size());
    CHECK(redactor.text("x -y " + text).size() <= 9 * text.size());
    CHECK(redactor.arguments({"app", text, "sh -c " + text}).size() <= 20 * text.size());
  }
}

}  // namespace telinject::test::long_texts_test
