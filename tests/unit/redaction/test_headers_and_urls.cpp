#include <catch2/catch.hpp>

#include <string>

#include "shim/redaction/redactor.h"

namespace telinject::test::headers_and_urls_test {
using redaction::Redactor;

namespace {

std::string url(const std::string& text, Redactor redaction = Redactor()) {
  std::string out;
  redaction.url(text, &out);
  return out;
}
std::string header(const std::string& name, const std::string& value) {
  Redactor redaction;
  std::string out;
  redaction.header(name, value, &out);
  return out;
}

}  // namespace

TEST_CASE("headers that carry secrets") {
  for (const char* name :
       {"Authorization", "authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "cookie2",
        "X-Api-Key", "x-api-key", "ApiKey", "X-Amz-Security-Token", "X-CSRF-Token", "X-Auth-Token",
        "X-Vault-Token", "Client-Secret", "X-Password", "X-Auth-Key", "X-Auth"}) {
    INFO(name);
    CHECK(header(name, "value") == "REDACTED");
  }
  for (const char* name : {"Accept", "Host", "traceparent", "tracestate", "Content-Type",
                           "WWW-Authenticate", "Content-Security-Policy", "ETag", "Keep-Alive"}) {
    INFO(name);
    CHECK(header(name, "value") == "value");
  }
}

TEST_CASE("tokens are known by their looks, whatever carries them") {
  CHECK(header("X-Custom", "ghp_0123456789abcdefghij0123456789abcdef") == "REDACTED");
  CHECK(header("X-Custom", "a AKIAIOSFODNN7EXAMPLE b") == "a REDACTED b");
  CHECK(header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36") ==
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
  CHECK(url("/x?a=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN") ==
        "/x?a=REDACTED");
}

TEST_CASE("headers with URLs in them") {
  CHECK(header("Location", "https://u:p@h/x?sig=1&a=2") ==
        "https://REDACTED:REDACTED@h/x?sig=REDACTED&a=2");
  CHECK(header("Location", "/x?token=1") == "/x?token=REDACTED");
  CHECK(header("Link", "<https://h/x?token=1>; rel=\"next\", <//u@h/y>; rel=last") ==
        "<https://h/x?token=REDACTED>; rel=\"next\", <//REDACTED@h/y>; rel=last");
  CHECK(header("Referer", "http://h/a/b@c") == "http://h/a/b@c");
}

TEST_CASE("users in URLs") {
  CHECK(url("http://user:pass@host/") == "http://REDACTED:REDACTED@host/");
  CHECK(url("http://user@host/") == "http://REDACTED@host/");
  CHECK(url("http://user:p@ss,w'd@host/") == "http://REDACTED:REDACTED@host/");
  CHECK(url("http://@host/") == "http://REDACTED@host/");
  CHECK(url("http://host/u:p@x") == "http://host/u:p@x");
  CHECK(url("http://host?u:p@x") == "http://host?u:p@x");
}

TEST_CASE("parameters that carry secrets") {
  CHECK(url("/?X-Amz-Signature=1&X-Amz-Date=2&X-Amz-Credential=3&X-Amz-Security-Token=4") ==
        "/?X-Amz-Signature=REDACTED&X-Amz-Date=2&X-Amz-Credential=REDACTED&"
        "X-Amz-Security-Token=REDACTED");
  CHECK(url("/?AWSAccessKeyId=1&Signature=2&Expires=3") ==
        "/?AWSAccessKeyId=REDACTED&Signature=REDACTED&Expires=3");
  CHECK(url("/?X-Goog-Signature=1&sig=2&se=3") == "/?X-Goog-Signature=REDACTED&sig=REDACTED&se=3");
  CHECK(url("/?password=1&api_key=2&access%5Ftoken=3&page=4") ==
        "/?password=REDACTED&api_key=REDACTED&access%5Ftoken=REDACTED&page=4");
  CHECK(url("/a;jsessionid=1?x=2") == "/a;jsessionid=REDACTED?x=2");
  CHECK(url("/cb#access_token=1&state=2") == "/cb#access_token=REDACTED&state=2");
  CHECK(url("/?token=") == "/?token=");
  CHECK(url("/?token&a=1") == "/?token&a=1");
  CHECK(url("/?a=b=c&token=d=e&f=g") == "/?a=b=c&token=REDACTED&f=g");
  CHECK(url("/?") == "/?");
  CHECK(url("") == "");
}

TEST_CASE("what was redacted once stays as it is") {
  for (const char* text : {"http://u:p@h/?token=1", "/?sig=a&b=c", "//u@h"}) {
    CHECK(url(url(text)) == url(text));
  }
}

TEST_CASE("the user's lists add to ours, in all carriers") {
  Redactor redactor("X-Internal-*, x-user", "ring*,Account-Id");
  CHECK(redactor.secret_header("x-internal-id"));
  CHECK(redactor.secret_header("X-User"));
  CHECK(redactor.secret_header("Cookie"));
  CHECK(redactor.secret_header("COokie"));
  CHECK(redactor.secret_header("aUTHORIZATION"));
  CHECK(redactor.secret_header("X-API-KEY"));
  CHECK_FALSE(redactor.secret_header("X-Users"));
  CHECK(url("/?RingNumber=1&account_id=2&sig=3&account=4", redactor) ==
        "/?RingNumber=REDACTED&account_id=REDACTED&sig=REDACTED&account=4");
  CHECK(url("/?x-user=1", redactor) == "/?x-user=REDACTED");
  CHECK(redactor.secret_header("Account-Id"));
  CHECK(redactor.text("no x-user: me") == "no x-user: REDACTED");
  CHECK(redactor.arguments({"app", "--account-id", "5", "--x-users=6"}) ==
        "app --account-id REDACTED --x-users=6");
}

}  // namespace telinject::test::headers_and_urls_test
