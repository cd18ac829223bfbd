// What is a secret by its name, and what by its looks.
#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

#include "shim/events/secrets.h"

namespace telinject::test {

TEST_CASE("names of secrets, in any writing") {
  for (const char* name :
       {"password", "PGPASSWORD", "--api-key", "API_KEY", "apikey", "GITHUB_TOKEN", "client-secret",
        "passwd", "AWS_SECRET_ACCESS_KEY", "--auth-key"}) {
    CAPTURE(name);
    CHECK(is_secret_name(name));
  }
  for (const char* name : {"", "key", "user", "pass", "author", "--port", "PATH"}) {
    CAPTURE(name);
    CHECK_FALSE(is_secret_name(name));
  }
}

TEST_CASE("headers and parameters whose names do not say it") {
  for (const char* name : {"Cookie", "Set-Cookie", "proxy-authorization", "X-Auth", "x_auth_key"}) {
    CAPTURE(name);
    CHECK(is_secret_header(name));
  }
  for (const char* name : {"sig", "Signature", "X-Amz-Signature", "X-Amz-Credential",
                           "X-Amz-Security-Token", "AWSAccessKeyId", "X-Goog-Signature", "code"}) {
    CAPTURE(name);
    CHECK(is_secret_query(name));
  }
  CHECK_FALSE(is_secret_header("Accept"));
  CHECK_FALSE(is_secret_header("sig"));
  CHECK_FALSE(is_secret_query("design"));
  CHECK_FALSE(is_secret_query("page"));
}

TEST_CASE("credentials in URLs, wherever they stand") {
  struct Case {
    std::string text, wanted;
  };
  for (const auto& [text, wanted] : std::vector<Case>{
           {"git clone https://me:pw@host/r.git", "git clone https://REDACTED:REDACTED@host/r.git"},
           {"x http://a:b@c,http://d:e@f",
            "x http://REDACTED:REDACTED@c,http://REDACTED:REDACTED@f"},
           {"--db=postgres://u:p@h/d", "--db=postgres://REDACTED:REDACTED@h/d"},
           {"http://u:p@ss@h/", "http://REDACTED:REDACTED@h/"},
           {"'http://token@h'", "'http://REDACTED@h'"},
           {"a//b@c x ://", "a//b@c x ://"},
           {"https://host/@user scp file user@host:file",
            "https://host/@user scp file user@host:file"}}) {
    std::string out = text;
    redact_users(&out);
    CHECK(out == wanted);
    redact_users(&out);
    CHECK(out == wanted);
  }
}

TEST_CASE("access key ids of AWS") {
  for (auto [text, wanted] : {std::pair("x AKIAIOSFODNN7EXAMPLE y", "x REDACTED y"),
                              std::pair("id=ASIAIOSFODNN7EXAMPLE,2", "id=REDACTED,2"),
                              std::pair("AKIAIOSFODNN7EXAMPL", "AKIAIOSFODNN7EXAMPL")}) {
    std::string out = text;
    redact_tokens(&out);
    CHECK(out == wanted);
  }
}

}  // namespace telinject::test
