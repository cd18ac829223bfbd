#include <catch2/catch.hpp>

#include "shim/http/client_hello.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::client_hello_test {

namespace {

std::string number(size_t value, int bytes) {
  std::string out;
  for (int i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}
std::string counted(const std::string& text, int bytes) {
  return number(text.size(), bytes) + text;
}
std::string extension(uint16_t type, const std::string& content) {
  return number(type, 2) + counted(content, 2);
}
std::string hello(const std::string& extensions) {
  std::string body = number(0x0303, 2) + std::string(32, 'r') + counted("session", 1) +
                     counted("\x13\x01", 2) + counted(std::string(1, '\0'), 1) +
                     counted(extensions, 2);
  return "\x16\x03\x01" + counted("\x01" + counted(body, 3), 2);
}
std::string name(const std::string& host) {
  return extension(0, counted(std::string(1, '\0') + counted(host, 2), 2));
}

}  // namespace

TEST_CASE("a ClientHello tells name, protocols and version") {
  std::string text =
      hello(extension(0x0a0a, "") + name("shop.example") +
            extension(16, counted(counted("h2", 1) + counted("http/1.1", 1), 2)) +
            extension(43, counted(number(0x5a5a, 2) + number(0x0304, 2) + number(0x0303, 2), 1)));
  ClientHello out;
  REQUIRE(parse_client_hello(text, &out));
  CHECK(out.server_name == "shop.example");
  CHECK(out.protocols == "h2,http/1.1");
  CHECK(out.version == 0x0304);
  CHECK(tls_version_text(out.version) == "1.3");
}

TEST_CASE("a ClientHello that says little, or is cut off") {
  ClientHello out;
  REQUIRE(parse_client_hello(hello(""), &out));
  CHECK(out.server_name.empty());
  CHECK(out.version == 0x0303);
  std::string text = hello(name("shop.example") + extension(99, std::string(500, 'x')));
  for (size_t size = 0; size <= text.size(); size++) {
    ClientHello cut;
    parse_client_hello(text.substr(0, size), &cut);
    CHECK((cut.server_name.empty() || cut.server_name.size() <= 12));
  }
  REQUIRE(parse_client_hello(text.substr(0, text.size() - 100), &out));
  CHECK(out.server_name == "shop.example");
}

TEST_CASE("what is no ClientHello, or no name") {
  ClientHello out;
  CHECK_FALSE(parse_client_hello("", &out));
  CHECK_FALSE(parse_client_hello("GET / HTTP/1.1\r\n", &out));
  CHECK_FALSE(parse_client_hello("\x16\x03\x01\x00\x04\x02\x00\x00\x00", &out));
  REQUIRE(parse_client_hello(hello(name("evil\"name")), &out));
  CHECK(out.server_name.empty());
  REQUIRE(parse_client_hello(hello(name(std::string(400, 'a'))), &out));
  CHECK(out.server_name.empty());
}

}  // namespace telinject::test::client_hello_test
