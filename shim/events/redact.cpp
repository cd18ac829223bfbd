#include "shim/events/redact.h"

#include <algorithm>
#include <vector>

namespace telinject {

namespace {

constexpr std::string_view kSecretWords[] = {
    "password",   "passwd",     "passphrase",  "pwd",       "secret",
    "token",      "apikey",     "api_key",     "accesskey", "access_key",
    "credential", "privatekey", "private_key", "auth_key",  "authorization"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::string normalised(std::string_view name) {
  std::string text;
  for (char c : name) text += c == '-' ? '_' : lower(c);
  return text;
}

// https://user:password@host -> https://REDACTED:REDACTED@host
std::string redact_urls(std::string word) {
  for (size_t at = word.find("://"); at != std::string::npos; at = word.find("://", at)) {
    at += 3;
    size_t end = word.find_first_of("/?#", at);
    if (end == std::string::npos) end = word.size();
    size_t sign = word.rfind('@', end);
    if (sign == std::string::npos || sign < at) continue;
    size_t colon = word.find(':', at);
    std::string replacement(kRedacted);
    if (colon != std::string::npos && colon < sign) replacement += ":" + std::string(kRedacted);
    word.replace(at, sign - at, replacement);
  }
  return word;
}

// AWS access key ids: AKIA or ASIA and sixteen capitals or digits.
std::string redact_access_keys(std::string word) {
  constexpr size_t kLength = 20;
  for (std::string_view prefix : {"AKIA", "ASIA"}) {
    for (size_t at = word.find(prefix); at != std::string::npos; at = word.find(prefix, at + 1)) {
      std::string_view key = std::string_view(word).substr(at, kLength);
      bool matches = key.size() == kLength && std::all_of(key.begin(), key.end(), [](char c) {
                       return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                     });
      if (matches) word.replace(at, kLength, kRedacted);
    }
  }
  return word;
}

}  // namespace

bool is_secret_name(std::string_view name) {
  std::string text = normalised(name);
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords),
                     [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

std::string redact_command_line(std::string_view command_line) {
  std::string out;
  bool hide_next = false;
  while (!command_line.empty()) {
    size_t space = command_line.find(' ');
    std::string word(command_line.substr(0, space));
    bool more = space != std::string_view::npos;
    command_line.remove_prefix(more ? space + 1 : command_line.size());
    size_t equals = word.find('=');
    bool option = !word.empty() && word[0] == '-';
    if (hide_next && !option) {
      word = kRedacted;
      hide_next = false;
    } else if (equals != std::string::npos && is_secret_name(word.substr(0, equals))) {
      word = word.substr(0, equals + 1) + std::string(kRedacted);
    } else {
      hide_next = option && equals == std::string::npos && is_secret_name(word);
      word = redact_access_keys(redact_urls(std::move(word)));
    }
    out += word;
    if (more) out += ' ';
  }
  return out;
}

}  // namespace telinject
