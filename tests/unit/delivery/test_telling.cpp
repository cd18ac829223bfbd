// What is told of endpoints.
#include <catch2/catch.hpp>

#include "shim/delivery/telling.h"

namespace telinject::test::telling_test {
using namespace delivery;

TEST_CASE("a URL is told without user, password and query") {
  CHECK(url_to_tell("http://host:80/a/b") == "http://host:80/a/b");
  CHECK(url_to_tell("https://user:pass@host/a?token=1#x") == "https://host/a");
  CHECK(url_to_tell("https://user:p@ss@host") == "https://host");
  CHECK(url_to_tell("http://host/a@b") == "http://host/a@b");
  CHECK(url_to_tell("no url") == "no url");
  CHECK(url_to_tell("http://h\x1b[31m/") == "http://h\\x1b[31m/");
}

TEST_CASE("a user is a secret in whatever form it is sent; the scheme before a secret is none") {
  Endpoint endpoint;
  endpoint.url = "http://robot:s3cr%40t9@host/";
  endpoint.headers = {"authorization: Basic cm9ib3QyOm90aGVyLXdvcmQ=", "X-Key: Bearer"};
  auto told = [&](std::string_view words) { return words_to_tell(endpoint, words); };
  CHECK(told("s3cr%40t9 s3cr@t9 cm9ib3Q6czNjckB0OQ==") == "\"REDACTED REDACTED REDACTED\"");
  CHECK(told("Basic cm9ib3QyOm90aGVyLXdvcmQ= other-word robot") ==
        "\"Basic REDACTED REDACTED REDACTED\"");
  CHECK(told("no Bearer") == "\"no REDACTED\"");
  endpoint.headers = {"Authorization: Bearer abcdefgh", "Proxy-Authorization: lonely-secret"};
  CHECK(told("Bearer is wanted, not abcdefgh, lonely-secret") ==
        "\"Bearer is wanted, not REDACTED, REDACTED\"");
}

TEST_CASE("words are printable, short and without secrets") {
  Endpoint endpoint;
  endpoint.url = "http://u:pass word@host/?api_key=abcdefgh";
  endpoint.headers = {"Content-Type: application/json", "DD-API-KEY: 12345-67890"};
  auto told = [&](std::string_view words) { return words_to_tell(endpoint, words); };
  CHECK(told("").empty());
  CHECK(told("\r\n").empty());
  CHECK(told("plain\n") == "\"plain\"");
  CHECK(told("a\nb\x01\xff\xc2\x9b") == "\"a\\nb\\x01\\xff\\xc2\\x9b\"");
  CHECK(told("key 12345-67890 and abcdefgh, application/json") ==
        "\"key REDACTED and REDACTED, application/json\"");
  CHECK(told(std::string(100000, 'x')) == "\"" + std::string(200, 'x') + "...\"");
}

}  // namespace telinject::test::telling_test
