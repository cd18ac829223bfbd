// Hundreds of secrets in headers, URLs, command lines and texts (data/*.txt), none of which may
// come through; and ordinary command lines, which shall.
#include <catch2/catch.hpp>

#include <fstream>
#include <string>
#include <vector>

#include "shim/redaction/redactor.h"

namespace telinject::test::carriers_test {

using redaction::Redactor;

namespace {

// Lines but for comments.
std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream in(std::string(TEST_DATA "/") + file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  REQUIRE(lines.size() > 50);
  return lines;
}

std::string with_secret(std::string text, const std::string& secret) {
  for (size_t at = text.find('~'); at != std::string::npos; at = text.find('~', at)) {
    text.replace(at, 1, secret);
    at += secret.size();
  }
  for (size_t at = text.find("\\n"); at != std::string::npos && text.starts_with("-----");
       at = text.find("\\n", at)) {
    text.replace(at, 2, "\n");
  }
  return text;
}

// As a shell does it, without backslashes.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  char quote = 0;
  for (char c : line) {
    if (quote != 0 ? c == quote : c == '\'' || c == '"') {
      quote = quote != 0 ? '\0' : c;
    } else if (c == ' ' && quote == 0) {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::string redacted(const std::vector<std::string>& words) {
  return Redactor().arguments({words.begin(), words.end()});
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

void check_hidden(const std::string& line, const std::string& out, const std::string& secret) {
  CAPTURE(line, out);
  CHECK(out.find(secret) == std::string::npos);
  CHECK(out.find("REDACTED") != std::string::npos);
}

const std::string kSecrets[] = {"s3cr3tV4lu3xQ", "hunter2hunter2", "9fQ2mZ7pLx0TzK",
                                "Tr0ub4dor3xY"};

}  // namespace

TEST_CASE("secrets in command lines") {
  size_t lines = 0;
  for (const std::string& secret : kSecrets) {
    for (const std::string& line : lines_of("commands.txt")) {
      std::string command = with_secret(line, secret);
      check_hidden(line, redacted(words_of(command)), secret);
      lines++;
    }
  }
  CHECK(lines > 200 * std::size(kSecrets));
}

TEST_CASE("secrets in command lines that a shell or another host runs") {
  for (const std::string& line : lines_of("commands.txt")) {
    std::string command = with_secret(line, kSecrets[0]);
    check_hidden(line, redacted({"sh", "-c", command}), kSecrets[0]);
    check_hidden(line, redacted({"ssh", "host", command}), kSecrets[0]);
  }
}

TEST_CASE("secrets in command lines that an error tells") {
  for (const std::string& line : lines_of("commands.txt")) {
    std::string command = with_secret(line, kSecrets[0]);
    check_hidden(line, Redactor().text("cannot execute: " + command), kSecrets[0]);
  }
}

TEST_CASE("secrets in texts of errors and names") {
  for (const std::string& secret : kSecrets) {
    for (const std::string& line : lines_of("texts.txt")) {
      std::string text = with_secret(line, secret);
      check_hidden(line, Redactor().text(text), secret);
      check_hidden(line, Redactor().text("error: " + text), secret);
      check_hidden(line, Redactor().text("caught at\n" + text + "\n"), secret);
    }
  }
}

TEST_CASE("secrets in headers and trailers") {
  for (const std::string& secret : kSecrets) {
    for (const std::string& line : lines_of("headers.txt")) {
      std::string text = with_secret(line, secret), out;
      size_t colon = text.find(": ");
      Redactor().header(text.substr(0, colon), text.substr(colon + 2), &out);
      check_hidden(line, out, secret);
      // In a text a header is told from other words by its dashes.
      bool dashes = colon > 2 && text.find('-') < colon && text[0] < 'a';
      if (dashes) check_hidden(line, Redactor().text("sent " + text), secret);
    }
  }
}

TEST_CASE("secrets in URLs") {
  for (const std::string& secret : kSecrets) {
    for (const std::string& line : lines_of("urls.txt")) {
      std::string text = with_secret(line, secret), out;
      Redactor().url(text, &out);
      check_hidden(line, out, secret);
      // In a text, in an argument, and in a header that holds URLs.
      Redactor().header("Location", text, &out);
      check_hidden(line, out, secret);
    }
  }
}

TEST_CASE("carriers that were redacted once stay as they are") {
  for (const std::string& line : lines_of("texts.txt")) {
    std::string once = Redactor().text(with_secret(line, kSecrets[0]));
    CHECK(Redactor().text(once) == once);
  }
  for (const std::string& line : lines_of("urls.txt")) {
    std::string once, twice;
    Redactor().url(with_secret(line, kSecrets[0]), &once);
    Redactor().url(once, &twice);
    CHECK(twice == once);
  }
}

// One in a hundred may be taken for a secret: it costs a reader a word, the opposite a password.
TEST_CASE("ordinary command lines stay as they are") {
  size_t lines = 0, wrong = 0;
  for (const std::string& line : lines_of("ordinary.txt")) {
    std::vector<std::string> words = words_of(line), script = {"sh", "-c", line};
    bool same = redacted(words) == joined(words) && redacted(script) == joined(script);
    if (!same) WARN("redacted though ordinary: " << redacted(script));
    lines++;
    wrong += same ? 0 : 1;
  }
  CHECK(lines > 500);
  CHECK(wrong * 100 <= lines);
}

// `~` is a password as programs make them, `^` one of letters alone.
TEST_CASE("secrets of a list that was written without a look at the rules") {
  const std::string made = "s3cr3tV4lu3xQ", letters = "opensesame";
  size_t lines = 0;
  for (const std::string& line : lines_of("independent.txt")) {
    size_t colon = line.find(": ");
    std::string carrier = line.substr(0, colon), text;
    for (char c : line.substr(colon + 2)) {
      if (c == '~') text += made;
      if (c == '^') text += letters;
      if (c != '~' && c != '^') text += c;
    }
    Redactor redactor;
    std::string out;
    if (carrier == "command") out = redacted(words_of(text));
    if (carrier == "text") out = redactor.text(text);
    if (carrier == "url") redactor.url(text, &out);
    if (carrier == "path") out = redactor.path(text);
    if (carrier == "header") {
      size_t end = text.find(": ");
      redactor.header(text.substr(0, end), text.substr(end + 2), &out);
    }
    CAPTURE(line, out);
    for (const std::string& secret : {made, letters}) {
      CHECK(out.find(secret) == std::string::npos);
    }
    CHECK(out.find("REDACTED") != std::string::npos);
    lines++;
  }
  CHECK(lines >= 200);
}

TEST_CASE("of ordinary command lines, sampled without a look at what is in them, few change") {
  size_t lines = 0, changed = 0;
  for (const std::string& line : lines_of("sampled.txt")) {
    lines++;
    if (Redactor().text(line).find("REDACTED") != std::string::npos ||
        redacted(words_of(line)).find("REDACTED") != std::string::npos) {
      changed++;
    }
  }
  CHECK(lines >= 2000);
  CHECK(changed * 100 <= lines);
}

}  // namespace telinject::test::carriers_test
