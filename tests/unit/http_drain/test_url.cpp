#include <catch2/catch.hpp>

#include "shim/http/url.h"

namespace telinject::test::url_test {

namespace {

Url url(const char* target, const char* authority, const char* scheme = "http",
        const char* method = "GET", const char* fallback = "", uint16_t port = 0) {
  return make_url({method, target, scheme, authority, fallback, port});
}

}  // namespace

TEST_CASE("origin-form and Host") {
  CHECK(url("/a?b=c", "h").text == "http://h/a?b=c");
  CHECK(url("/", "h:80").text == "http://h/");
  CHECK(url("/", "h:443", "https").text == "https://h/");
  CHECK(url("/", "h:80", "https").text == "https://h:80/");
  CHECK(url("/", "h:8080").text == "http://h:8080/");
  CHECK(url("/", "h:8080").port == 8080);
  CHECK(url("/", "h", "https").port == 443);
  CHECK(url("/", "[2001:db8::1]:8080").text == "http://[2001:db8::1]:8080/");
  CHECK(url("/", "[2001:db8::1]:8080").host == "2001:db8::1");
  CHECK(url("/", "[::1]").text == "http://[::1]/");
}

TEST_CASE("other forms of the target") {
  CHECK(url("http://other:81/a?b", "h").text == "http://other:81/a?b");
  CHECK(url("HTTPS://Other/a", "h").text == "https://Other/a");
  CHECK(url("http://REDACTED:REDACTED@h/a", "h").text == "http://REDACTED:REDACTED@h/a");
  CHECK(url("http://REDACTED:REDACTED@h/a", "h").host == "h");
  CHECK(url("http://h?q", "x").text == "http://h?q");
  CHECK(url("*", "h", "http", "OPTIONS").text == "http://h");
  CHECK(url("h:443", "h:443", "http", "CONNECT").text == "https://h");
  CHECK(url("h:8443", "", "http", "CONNECT").text == "http://h:8443");
  CHECK(url("[::1]:443", "", "http", "CONNECT").text == "https://[::1]");
  CHECK(url("a/b", "h").text == "http://h/a/b");
}

TEST_CASE("without an authority that makes sense") {
  CHECK(url("/", "", "http", "GET", "10.0.0.7", 8080).text == "http://10.0.0.7:8080/");
  CHECK(url("/", "", "https", "GET", "::1", 443).text == "https://[::1]/");
  CHECK(url("/", "").text == "http://localhost/");
  CHECK(url("/", "a b", "http", "GET", "10.0.0.7", 80).text == "http://10.0.0.7/");
  for (const char* bad : {"h/x", "h?x", "h#x", "h:99999", "h:x", "[::1", "h\"", "\x01", "[::1]x"}) {
    INFO(bad);
    CHECK(url("/", bad).text == "http://localhost/");
  }
  CHECK(url("/", "user:secret@h").text == "http://h/");
}

TEST_CASE("what may not stand in a URL") {
  CHECK(url("/a b", "h").text == "http://h/a%20b");
  CHECK(url("/\xc3\xa4?\t", "h").text == "http://h/%C3%A4?%09");
  CHECK(url("/%20", "h").text == "http://h/%20");
}

TEST_CASE("parts of the URL") {
  Url all = url("/a/b?c=d#e", "h:81");
  CHECK(all.path() == "/a/b");
  CHECK(all.query() == "c=d#e");
  CHECK(all.without_query() == "http://h:81/a/b");
  Url none = url("", "h");
  CHECK(none.text == "http://h");
  CHECK(none.path().empty());
  CHECK(none.query().empty());
  CHECK(none.without_query() == "http://h");
}

}  // namespace telinject::test::url_test
