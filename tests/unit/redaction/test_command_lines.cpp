// The rules for secrets in command lines: docs/redaction.md has the list, here is an example of
// each.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "shim/redaction/redactor.h"

namespace telinject::test::command_lines_test {
namespace {

std::string redacted(const std::vector<std::string_view>& arguments) {
  return redaction::Redactor().arguments(arguments);
}

std::string redacted_joined(std::string_view joined) {
  return redaction::Redactor().joined_arguments(joined);
}

}  // namespace

TEST_CASE("options and assignments with secret names") {
  CHECK(redacted({"app", "--password=hunter2", "-v"}) == "app --password=REDACTED -v");
  CHECK(redacted({"app", "--password", "hunter 2", "-v"}) == "app --password REDACTED -v");
  CHECK(redacted({"app", "--api-key", "x"}) == "app --api-key REDACTED");
  CHECK(redacted({"app", "-token", "x"}) == "app -token REDACTED");
  CHECK(redacted({"app", "--pass", "x"}) == "app --pass REDACTED");
  CHECK(redacted({"env", "PGPASSWORD=x", "psql"}) == "env PGPASSWORD=REDACTED psql");
  CHECK(redacted({"app", "--client-secret=a b c"}) == "app --client-secret=REDACTED");
  CHECK(redacted({"app", "--db.password=x"}) == "app --db.password=REDACTED");
  CHECK(redacted({"aws", "configure", "set", "aws_secret_access_key", "wJalrXUtnFEMI/K7MDENG"}) ==
        "aws configure set aws_secret_access_key REDACTED");
}

TEST_CASE("known clients and their short options") {
  CHECK(redacted({"mysql", "-u", "root", "-phunter2", "db"}) == "mysql -u root -pREDACTED db");
  CHECK(redacted({"/usr/bin/mysqldump", "-phunter2"}) == "/usr/bin/mysqldump -pREDACTED");
  CHECK(redacted({"mysql", "-p", "db"}) == "mysql -p db");
  CHECK(redacted({"curl", "-u", "me:hunter2", "https://h/"}) == "curl -u me:REDACTED https://h/");
  CHECK(redacted({"curl", "-ume:hunter2"}) == "curl -ume:REDACTED");
  CHECK(redacted({"curl", "--user=me:hunter2"}) == "curl --user=me:REDACTED");
  CHECK(redacted({"curl", "-u", "me"}) == "curl -u me");
  CHECK(redacted({"curl", "-b", "session=1"}) == "curl -b REDACTED");
  CHECK(redacted({"sshpass", "-p", "hunter2", "ssh", "h"}) == "sshpass -p REDACTED ssh h");
  CHECK(redacted({"sshpass", "-phunter2", "ssh", "h"}) == "sshpass -pREDACTED ssh h");
  CHECK(redacted({"redis-cli", "-a", "hunter2"}) == "redis-cli -a REDACTED");
  CHECK(redacted({"docker", "login", "-u", "me", "-p", "hunter2"}) ==
        "docker login -u me -p REDACTED");
  CHECK(redacted({"smbclient", "-U", "me%hunter2"}) == "smbclient -U me%REDACTED");
  CHECK(redacted({"smbclient", "-U", "smb://me:hunter2@h/"}) ==
        "smbclient -U smb://REDACTED:REDACTED@h/");
  CHECK(redacted({"lftp", "-u", "me,hunter2", "h"}) == "lftp -u me,REDACTED h");
  CHECK(redacted({"openssl", "rsa", "-passin", "pass:hunter2"}) == "openssl rsa -passin REDACTED");
  CHECK(redacted({"7z", "x", "-phunter2", "a.7z"}) == "7z x -pREDACTED a.7z");
  // Behind a launcher; and not of programs that mean something else by it.
  CHECK(redacted({"sudo", "-E", "timeout", "5", "mysql", "-phunter2"}) ==
        "sudo -E timeout 5 mysql -pREDACTED");
  CHECK(redacted({"ssh", "-p2222", "h"}) == "ssh -p2222 h");
  CHECK(redacted({"mkdir", "-p", "a/b"}) == "mkdir -p a/b");
  CHECK(redacted({"cp", "-a", "x", "y"}) == "cp -a x y");
}

TEST_CASE("URLs: users, signatures, tokens") {
  CHECK(redacted({"git", "clone", "https://me:hunter2@host/r"}) ==
        "git clone https://REDACTED:REDACTED@host/r");
  CHECK(redacted({"app", "postgres://u:hunter2@h/d"}) == "app postgres://REDACTED:REDACTED@h/d");
  CHECK(redacted({"wget", "https://h/p?a=1&X-Amz-Signature=abc&b=2"}) ==
        "wget https://h/p?a=1&X-Amz-Signature=REDACTED&b=2");
  CHECK(redacted({"wget", "https://h/p?sig=abc%2B"}) == "wget https://h/p?sig=REDACTED");
  CHECK(redacted({"wget", "https://h/?access_token=abc"}) ==
        "wget https://h/?access_token=REDACTED");
  CHECK(redacted({"wget", "https://h/?design=blue"}) == "wget https://h/?design=blue");
}

TEST_CASE("headers and schemes") {
  CHECK(redacted({"curl", "-H", "Authorization: Bearer abc def", "https://h/"}) ==
        "curl -H Authorization: REDACTED https://h/");
  CHECK(redacted({"curl", "-HX-Api-Key: abc"}) == "curl -HX-Api-Key: REDACTED");
  CHECK(redacted({"curl", "--header=Cookie: a=b; c=d"}) == "curl --header=Cookie: REDACTED");
  CHECK(redacted({"curl", "-H", "Accept: text/html"}) == "curl -H Accept: text/html");
  CHECK(redacted({"app", "auth is Bearer abcdefgh1"}) == "app auth is Bearer REDACTED");
}

TEST_CASE("connection strings and JSON") {
  CHECK(redacted({"psql", "host=h user=u password=hunter2 dbname=d"}) ==
        "psql host=h user=u password=REDACTED dbname=d");
  CHECK(redacted({"app", "Server=h;User Id=u;Password=hunter2;Trust=1"}) ==
        "app Server=h;User Id=u;Password=REDACTED;Trust=1");
  CHECK(redacted({"curl", "-d", R"({"user":"me","password":"hun\"ter2","n":1})"}) ==
        R"(curl -d {"user":"me","password":"REDACTED","n":1})");
  CHECK(redacted({"app", R"({"token": 12345, "x": 1})"}) == R"(app {"token": REDACTED, "x": 1})");
}

TEST_CASE("tokens, by their looks") {
  for (std::string token :
       {"AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "glpat-0123456789abcdefghij", "xoxb-123456789012-abcdef", "sk-proj-0123456789abcdefghijkl",
        "sk_live_0123456789abcdef", "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"}) {
    CAPTURE(token);
    CHECK(redacted({"app", token}) == "app REDACTED");
    CHECK(redacted({"app", "x=" + token + ",y"}) == "app x=REDACTED,y");
  }
  CHECK(redacted({"app", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"}) ==
        "app REDACTED");
  CHECK(redacted({"app", "risk-assessment-of-everything", "ghp_short"}) ==
        "app risk-assessment-of-everything ghp_short");
}

TEST_CASE("scripts of shells, word by word") {
  CHECK(redacted({"sh", "-c", "mysql -phunter2 db && curl -u me:hunter2 https://h/"}) ==
        "sh -c mysql -pREDACTED db && curl -u me:REDACTED https://h/");
  CHECK(redacted({"bash", "-c", "export TOKEN=abc; app --password x"}) ==
        "bash -c export TOKEN=REDACTED; app --password REDACTED");
  CHECK(redacted({"ssh", "h", "sudo sshpass -p hunter2 scp a b"}) ==
        "ssh h sudo sshpass -p REDACTED scp a b");
}

TEST_CASE("what is no secret is left as it was") {
  for (std::vector<std::string_view> arguments : std::vector<std::vector<std::string_view>>{
           {"ls", "-l", "/tmp"},
           {"app", ""},
           {"app", " two  words "},
           {"gcc", "-O2", "-DKEY=1", "-passes=3", "a.c"},
           {"app", "--password-file=/run/secrets/p", "--token-path", "/x", "--ask-password", "-v"},
           {"git", "commit", "-m", "fix the password check; tokens are kept"},
           {"echo", "token"},
           {"ssh", "-i", "/home/me/.ssh/id_rsa", "user@host"},
           {"awk", "{print $1 \"=\" $2}"},
           {"curl", "https://host/path?page=2&size=10#top"}}) {
    std::string joined;
    for (std::string_view argument : arguments)
      joined += (joined.empty() ? "" : " ") + std::string(argument);
    CHECK(redacted(arguments) == joined);
  }
}

TEST_CASE("arguments as a program hands them over") {
  using namespace std::string_view_literals;
  CHECK(redacted_joined("app\0--token\0a b\0-v\0"sv) == "app --token REDACTED -v");
  CHECK(redacted_joined("app\0\0x\0"sv) == "app  x");
  CHECK(redacted_joined("app\0--password=cut o"sv) == "app --password=REDACTED");
  CHECK(redacted_joined(""sv).empty());
}

}  // namespace telinject::test::command_lines_test
