// Secrets in command lines: what is taken out, and what is left as it was.
#include <catch2/catch.hpp>

#include <string>

#include "shim/events/redact.h"

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

TEST_CASE("command lines without secrets are left as they were") {
  for (const char* line :
       {"", " ", "ls", "ls  -l   /tmp ", "gcc -O2 -DX=1 a.c -o a", "git log --author=me",
        "curl https://host/path?page=2&size=10", "scp host:file user@host:file", "a://b",
        "make CC=gcc", "http://", "x ://@ y", "https://host/@user", "echo token", "a=b=c",
        "curl -H Accept: text/html https://host/"}) {
    CAPTURE(line);
    CHECK(redact_command_line(line) == line);
  }
}

TEST_CASE("values of secret options and assignments") {
  CHECK(redact_command_line("x --password=a -v") == "x --password=REDACTED -v");
  CHECK(redact_command_line("x --api-key a -v") == "x --api-key REDACTED -v");
  CHECK(redact_command_line("env TOKEN=a x") == "env TOKEN=REDACTED x");
  CHECK(redact_command_line("x --secret=a=b=c") == "x --secret=REDACTED");
  CHECK(redact_command_line("x --password") == "x --password");
  CHECK(redact_command_line("x --ask-password -v") == "x --ask-password -v");
  CHECK(redact_command_line("x -token a b") == "x -token REDACTED b");
}

TEST_CASE("credentials in URLs, wherever they stand") {
  CHECK(redact_command_line("git clone https://me:pw@host/r.git") ==
        "git clone https://REDACTED:REDACTED@host/r.git");
  CHECK(redact_command_line("git clone https://token@host/r.git") ==
        "git clone https://REDACTED@host/r.git");
  CHECK(redact_command_line("x --db=postgres://u:p@h/d --v") ==
        "x --db=postgres://REDACTED:REDACTED@h/d --v");
  CHECK(redact_command_line("x http://a:b@c,http://d:e@f") ==
        "x http://REDACTED:REDACTED@c,http://REDACTED:REDACTED@f");
  CHECK(redact_command_line("x http://u:p@ss@h/") == "x http://REDACTED:REDACTED@h/");
  CHECK(redact_command_line("x http://u:p@h?token=t") ==
        "x http://REDACTED:REDACTED@h?token=REDACTED");
}

TEST_CASE("signed URLs and tokens in queries lose the values alone") {
  for (const char* name :
       {"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId",
        "Signature", "sig", "X-Goog-Signature", "SIG", "access_token", "password"}) {
    std::string line = std::string("wget https://h/p?a=1&") + name + "=abc%2B&b=2#top";
    CAPTURE(line);
    CHECK(redact_command_line(line) ==
          std::string("wget https://h/p?a=1&") + name + "=REDACTED&b=2#top");
  }
  CHECK(redact_command_line("x https://h/#access_token=abc") ==
        "x https://h/#access_token=REDACTED");
  CHECK(redact_command_line("x https://h/?design=blue") == "x https://h/?design=blue");
}

TEST_CASE("headers that carry credentials") {
  CHECK(redact_command_line("curl -H Authorization: Bearer abc -v https://h/") ==
        "curl -H Authorization: REDACTED -v https://h/");
  CHECK(redact_command_line("curl -HAuthorization:Bearer abc https://h/") ==
        "curl -HAuthorization:REDACTED https://h/");
  CHECK(redact_command_line("curl --header=Cookie: a=b; c=d -v") ==
        "curl --header=Cookie: REDACTED -v");
  for (const char* name : {"authorization", "Proxy-Authorization", "Set-Cookie", "X-Api-Key",
                           "X-Auth-Token", "x-amz-security-token"}) {
    CAPTURE(name);
    CHECK(redact_command_line(std::string("curl -H ") + name + ": v https://h/") ==
          std::string("curl -H ") + name + ": REDACTED https://h/");
  }
}

TEST_CASE("access key ids of AWS") {
  CHECK(redact_command_line("x AKIAIOSFODNN7EXAMPLE y") == "x REDACTED y");
  CHECK(redact_command_line("x id=ASIAIOSFODNN7EXAMPLE,2") == "x id=REDACTED,2");
  CHECK(redact_command_line("x AKIAIOSFODNN7EXAMPL") == "x AKIAIOSFODNN7EXAMPL");
  CHECK(redact_command_line("x AKIAiosfodnn7EXAMPLE") == "x AKIAiosfodnn7EXAMPLE");
}

}  // namespace telinject::test
