// What is a secret by its name, and what by its looks.
#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

#include "shim/redaction/names.h"
#include "shim/redaction/redactor.h"

namespace telinject::test::names_and_looks_test {

using redaction::Secrecy;
using redaction::secrecy_of;

namespace {

std::string redacted(const std::string& text) {
  return redaction::Redactor().text(text);
}

}  // namespace

TEST_CASE("names of secrets, in any writing") {
  for (const char* name :
       {"password",   "PGPASSWORD",    "--api-key",     "API_KEY",   "apikey",
        "apiKey",     "GITHUB_TOKEN",  "client-secret", "passwd",    "AWS_SECRET_ACCESS_KEY",
        "--auth-key", "accessToken",   "DB_PASS",       "password2", "spring.mail.password",
        "secret_id",  "encryptionKey", "Access-Token",  "user_pw",   "AccountKey"}) {
    CAPTURE(name);
    CHECK(secrecy_of(name) >= Secrecy::kAnywhere);
  }
  for (const char* name : {"",
                           "key",
                           "user",
                           "author",
                           "--port",
                           "PATH",
                           "password-file",
                           "token_type",
                           "secretary",
                           "max_tokens",
                           "PasswordAuthentication",
                           "tokenizer",
                           "passes",
                           "bypass",
                           "token.cpp",
                           "credential.helper",
                           "keyboard",
                           "design",
                           "secret_name",
                           "signal",
                           "pinned"}) {
    CAPTURE(name);
    CHECK(secrecy_of(name) < Secrecy::kAnywhere);
  }
}

TEST_CASE("headers and parameters whose names do not say it") {
  for (const char* name :
       {"Cookie", "Set-Cookie", "proxy-authorization", "X-Auth", "x_auth_key", "sig", "Signature",
        "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId",
        "X-Goog-Signature", "code", "ticket", "x-functions-key", "Ocp-Apim-Subscription-Key",
        "DD-APPLICATION-KEY", "X-Sentry-Auth"}) {
    CAPTURE(name);
    CHECK(secrecy_of(name) != Secrecy::kNone);
  }
  for (const char* name : {"Accept", "design", "page", "sort_key", "Idempotency-Key", "error_code",
                           "Sec-WebSocket-Key", "WWW-Authenticate", "country_code"}) {
    CAPTURE(name);
    CHECK(secrecy_of(name) == Secrecy::kNone);
  }
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
    CHECK(redacted(text) == wanted);
    CHECK(redacted(wanted) == wanted);
  }
}

TEST_CASE("access key ids of AWS") {
  for (auto [text, wanted] : {std::pair("x AKIAIOSFODNN7EXAMPLE y", "x REDACTED y"),
                              std::pair("id=ASIAIOSFODNN7EXAMPLE,2", "id=REDACTED,2"),
                              std::pair("AKIAIOSFODNN7EXAMPL", "AKIAIOSFODNN7EXAMPL")}) {
    CHECK(redacted(text) == wanted);
  }
}

}  // namespace telinject::test::names_and_looks_test
