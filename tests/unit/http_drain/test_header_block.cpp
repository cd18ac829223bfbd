#include <catch2/catch.hpp>

#include "shim/http/header_block.h"

namespace telinject::test::header_block_test {

namespace {

// "name=value" of each field.
std::vector<std::string> fields_of(const HeaderBlock& block) {
  std::vector<std::string> fields;
  for (const HttpField& field : block.fields) {
    fields.push_back(std::string(field.name) + "=" + std::string(field.value));
  }
  return fields;
}
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a request's header block, however it ends") {
  HeaderBlockParser parser;
  HeaderBlock block;
  for (const char* end : {"", "\r\n", "\r\n\r\n"}) {
    std::string text = std::string("PATCH /a?b HTTP/1.0\r\nHost: h\r\nX-Empty:\r\nA: b c ") + end;
    REQUIRE(parser.parse(text, true, false, &block));
    CHECK(block.method == "PATCH");
    CHECK(block.target == "/a?b");
    CHECK(block.minor == 0);
    CHECK(fields_of(block).size() == 3);
    CHECK(fields_of(block)[0] == "Host=h");
    CHECK(fields_of(block)[1] == "X-Empty=");
  }
}

TEST_CASE("a response's header block") {
  HeaderBlockParser parser;
  HeaderBlock block;
  REQUIRE(parser.parse("HTTP/1.1 299 Any thing\r\nA: b\r\nA: c\r\n", false, false, &block));
  CHECK(block.status == 299);
  CHECK(fields_of(block) == Names{"A=b", "A=c"});
  REQUIRE(parser.parse("HTTP/1.1 200\r\n", false, false, &block));
  CHECK(block.status == 200);
}

TEST_CASE("fields that fold and fields that contradict each other") {
  HeaderBlockParser parser;
  HeaderBlock block;
  REQUIRE(parser.parse("GET / HTTP/1.1\r\nA: b\r\n c\r\nD: e\r\n", true, false, &block));
  REQUIRE(block.fields.size() == 2);
  CHECK(block.fields[0].value.find('b') == 0);
  CHECK(block.fields[0].value.find('c') != std::string_view::npos);
  CHECK(block.fields[1].value == "e");
  REQUIRE(
      parser.parse("GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
                   "Content-Length: 6\r\nX: y\r\n",
                   true, false, &block));
  CHECK(block.fields.size() >= 2);
}

TEST_CASE("any token is a method") {
  HeaderBlockParser parser;
  HeaderBlock block;
  for (const std::string method : {"QUERY", "BAN", "get", "HEADER", "CONNECTOR", "HEAD", "M-SEARCH",
                                   "RPC_IN_DATA", "!#$%&'*+-.^_`|~0", "HTTP"}) {
    INFO(method);
    REQUIRE(parser.parse(method + "  /a?b  HTTP/1.0\r\nA: b\r\n", true, false, &block));
    CHECK(block.method == method);
    CHECK(block.target == "/a?b");
    CHECK(block.minor == 0);
    CHECK(fields_of(block) == Names{"A=b"});
  }
  REQUIRE(parser.parse("CONNECT [::1]:443 HTTP/1.1\r\n", true, false, &block));
  CHECK(block.method == "CONNECT");
  CHECK(block.target == "[::1]:443");
  REQUIRE(parser.parse("OPTIONS * HTTP/1.1\r\n", true, false, &block));
  CHECK(block.target == "*");
  for (const char* none : {" / HTTP/1.1\r\n", "G(T / HTTP/1.1\r\n", "GET\t/ HTTP/1.1\r\n", "GET"}) {
    CHECK_FALSE(parser.parse(none, true, false, &block));
  }
}

TEST_CASE("a Content-Length that is repeated hides no field") {
  HeaderBlockParser parser;
  HeaderBlock block;
  const std::string fields = "Content-Length: 3\r\nContent-Length: 3, 3\r\nX: y\r\n";
  const Names wanted = {"Content-Length=3", "Content-Length=3, 3", "X=y"};
  REQUIRE(parser.parse("POST / HTTP/1.1\r\n" + fields, true, false, &block));
  CHECK(fields_of(block) == wanted);
  REQUIRE(parser.parse("HTTP/1.1 200 OK\r\n" + fields, false, false, &block));
  CHECK(fields_of(block) == wanted);
}

TEST_CASE("a block that was cut off loses its last line only") {
  HeaderBlockParser parser;
  HeaderBlock block;
  REQUIRE(parser.parse("GET / HTTP/1.1\r\nA: b\r\nAuthoriz", true, true, &block));
  CHECK(fields_of(block) == Names{"A=b"});
  CHECK_FALSE(parser.parse("GET / HT", true, true, &block));
}

TEST_CASE("what is no header block") {
  HeaderBlockParser parser;
  HeaderBlock block;
  for (const char* text : {"", "\r\n", "nonsense", "GET", "GET\r\n", "\x16\x03\x01", "HTTP/1.1"}) {
    INFO(text);
    CHECK_FALSE(parser.parse(text, true, false, &block));
    CHECK_FALSE(parser.parse(text, false, false, &block));
  }
  // As many fields as one likes.
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 2000; i++) many += "a: b\r\n";
  REQUIRE(parser.parse(many, true, false, &block));
  CHECK(block.fields.size() <= 256);
}

}  // namespace telinject::test::header_block_test
