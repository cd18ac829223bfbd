// What is left of texts of errors: all but the secret.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "shim/redaction/redactor.h"

namespace telinject::test::texts_test {

using redaction::Redactor;

namespace {

std::string text(std::string_view text) {
  return Redactor().text(text);
}

}  // namespace

TEST_CASE("values end where the text goes on") {
  CHECK(text("login failed: password=x1y2z3, user=me") ==
        "login failed: password=REDACTED, user=me");
  CHECK(text("login failed (password=x1y2z3)") == "login failed (password=REDACTED)");
  CHECK(text("Server=h;Password=a;b,c&d;Database=d") == "Server=h;Password=REDACTED;Database=d");
  CHECK(text("{\"password\": \"x\\\"y\", \"n\": 1}") == "{\"password\": \"REDACTED\", \"n\": 1}");
  CHECK(text("{\\\"token\\\":\\\"x\\\",\\\"n\\\":1}") ==
        "{\\\"token\\\":\\\"REDACTED\\\",\\\"n\\\":1}");
  CHECK(text("GET https://h/?token=x&a=1 failed") == "GET https://h/?token=REDACTED&a=1 failed");
  CHECK(text("connect to postgres://u:p@h/d failed") ==
        "connect to postgres://REDACTED:REDACTED@h/d failed");
  CHECK(text("sent 'Authorization: Bearer x' to h") == "sent 'Authorization: REDACTED' to h");
  CHECK(text("Cookie: a=b; c=d\nHost: h") == "Cookie: REDACTED\nHost: h");
  CHECK(text("user me:x1y2z3@tcp(127.0.0.1:3306)/db") == "user me:REDACTED@tcp(127.0.0.1:3306)/db");
  CHECK(text("a -----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY----- b") == "a REDACTED b");
  CHECK(text("cannot run mysql -uroot -px db: 1") == "cannot run mysql -uroot -pREDACTED db: 1");
  CHECK(text("p.cpp:2: f: Assertion `password == \"x\"' failed.") ==
        "p.cpp:2: f: Assertion `password == \"REDACTED\"' failed.");
}

TEST_CASE("texts without a secret stay as they are") {
  for (const char* ordinary :
       {"",
        "vector::_M_range_check: __n (which is 5) >= this->size() (which is 3)",
        "unexpected token: IDENTIFIER",
        "syntax error near unexpected token `('",
        "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while "
        "parsing value - invalid literal; last read: 'tru'",
        "token.cpp:42: error: expected ';' before '}' token",
        "prog: token.cpp:20: int next_token(int): Assertion `token_type == 3' failed.",
        "Authentication failed",
        "password is required",
        "password: must be set",
        "key not found: 'user'",
        "invalid key: 12",
        "basic_string::substr: __pos (which is 9)",
        "Basic authentication is not supported",
        "Bearer authentication required",
        "std::secret::token::next()",
        "tokenize(text) == 5",
        "max_tokens=4096 is too much",
        "auth=basic",
        "authentication: denied",
        "session closed",
        "code=5",
        "exit code: 5",
        "error: signature mismatch: void f(int)",
        "pass 3 of 5",
        "cannot open /run/secrets/db: ENOENT",
        "docker.io/library/token-server:1.2",
        "mailto:me@example.com",
        "git@github.com:a/b.git",
        "npm:foo@1.0.0",
        "nginx:1.25@sha256:0123456789abcdef",
        "at 0x7ffd5e8e3a10",
        "12:30:45",
        "f8a1b2c3-0123-4567-89ab-cdef01234567",
        "https://host:8080/a/b?page=2#top",
        "/usr/lib/x86_64-linux-gnu/libsecret-1.so.0",
        "PWD=/home/me",
        "sort_key=name",
        "Content-Type: text/html; charset=utf-8",
        "k\xc3\xb6nnte: nicht"}) {
    CAPTURE(ordinary);
    CHECK(text(ordinary) == ordinary);
    CHECK(Redactor().path(ordinary) == ordinary);
  }
}

TEST_CASE("headers of everyday stay as they are") {
  struct Case {
    std::string_view name, value;
  };
  for (const auto& [name, value] : std::vector<Case>{
           {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"},
           {"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
           {"WWW-Authenticate", "Bearer realm=\"a\", error=\"invalid_token\""},
           {"WWW-Authenticate", "Basic realm=\"User Visible Realm\", charset=\"UTF-8\""},
           {"Access-Control-Allow-Headers", "Authorization, X-Api-Key, Content-Type"},
           {"Access-Control-Allow-Credentials", "true"},
           {"Vary", "Authorization, Cookie"},
           {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
           {"tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"},
           {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
           {"Sec-WebSocket-Protocol", "graphql-transport-ws, graphql-ws, v12.stomp"},
           {"Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
           {"ETag", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""},
           {"X-Request-Id", "f058ebd6-02f7-4d3f-942e-904344e8cde5"},
           {"Set-Login", "logged-in"},
           {"Cache-Control", "public, max-age=604800"},
           {"Content-Security-Policy", "default-src 'self'; img-src *; script-src https://a.b"},
           {"Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload"},
           {"Link", "<https://h/?page=2>; rel=\"next\""}}) {
    std::string out;
    Redactor().header(name, value, &out);
    CAPTURE(name);
    CHECK(out == value);
  }
}

}  // namespace telinject::test::texts_test
