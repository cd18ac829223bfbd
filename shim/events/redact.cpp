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

// Of headers and queries, besides: requirements H04 and H05.
constexpr std::string_view kSecretHeaders[] = {"cookie", "set_cookie"};
constexpr std::string_view kSecretQueries[] = {
    "x_amz_signature", "x_amz_credential", "awsaccesskeyid", "signature", "sig",
    "x_goog_signature"};

template <size_t N>
bool is_one_of(std::string_view name, const std::string_view (&words)[N]) {
  std::string text = normalised(name);
  return std::find(std::begin(words), std::end(words), text) != std::end(words);
}

bool is_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return lower(c) != c || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

// Where the value begins of a header that carries a credential ("-HCookie:a", "--header=Cookie:"),
// else npos.
size_t secret_header_value(std::string_view word) {
  size_t colon = word.find(':');
  if (colon == std::string_view::npos || word.substr(colon).starts_with("://"))
    return std::string_view::npos;
  std::string_view name = word.substr(0, colon);
  if (size_t equals = name.rfind('='); equals != std::string_view::npos) {
    name.remove_prefix(equals + 1);
  } else if (name.starts_with("-H")) {
    name.remove_prefix(2);
  }
  bool secret = is_name(name) && (is_secret_name(name) || is_one_of(name, kSecretHeaders));
  return secret ? colon + 1 : std::string_view::npos;
}

// https://user:password@host -> https://REDACTED:REDACTED@host
std::string redact_urls(std::string word) {
  for (size_t at = word.find("://"); at != std::string::npos; at = word.find("://", at)) {
    at += 3;
    size_t end = word.find_first_of("/?#", at);
    if (end == std::string::npos) end = word.size();
    size_t sign = word.rfind('@', end);
    if (sign == std::string::npos || sign <= at) continue;
    size_t colon = word.find(':', at);
    std::string replacement(kRedacted);
    if (colon != std::string::npos && colon < sign) replacement += ":" + std::string(kRedacted);
    word.replace(at, sign - at, replacement);
  }
  return word;
}

// ?sig=x&a=1 -> ?sig=REDACTED&a=1
std::string redact_queries(std::string word) {
  constexpr std::string_view kBefore = "?&;#";
  for (size_t at = word.find_first_of(kBefore); at != std::string::npos;
       at = word.find_first_of(kBefore, at + 1)) {
    size_t equals = word.find_first_of("=?&;#", at + 1);
    if (equals == std::string::npos || word[equals] != '=') continue;
    std::string_view name = std::string_view(word).substr(at + 1, equals - at - 1);
    if (!is_secret_name(name) && !is_one_of(name, kSecretQueries)) continue;
    size_t end = word.find_first_of("&;#", equals);
    if (end == std::string::npos) end = word.size();
    word.replace(equals + 1, end - equals - 1, kRedacted);
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
  bool hide_next = false;    // the value of an option
  bool hide_header = false;  // the rest of a header: up to the next option or URL
  while (!command_line.empty()) {
    size_t space = command_line.find(' ');
    std::string word(command_line.substr(0, space));
    bool more = space != std::string_view::npos;
    command_line.remove_prefix(more ? space + 1 : command_line.size());
    size_t equals = word.find('=');
    bool option = !word.empty() && word[0] == '-';
    if (hide_header && !option && word.find("://") == std::string::npos) {
      if (!out.ends_with(kRedacted)) out += kRedacted;
      if (more) continue;
      break;
    }
    if (hide_header && !out.ends_with(' ')) out += ' ';
    hide_header = false;
    if (hide_next && !option) {
      word = kRedacted;
      hide_next = false;
    } else if (size_t value = secret_header_value(word); value != std::string::npos) {
      hide_header = true;
      if (value < word.size()) {
        out += word.substr(0, value) + std::string(kRedacted);
        continue;
      }
    } else if (equals != std::string::npos && is_name(word.substr(0, equals)) &&
               is_secret_name(word.substr(0, equals))) {
      word = word.substr(0, equals + 1) + std::string(kRedacted);
    } else {
      hide_next = option && equals == std::string::npos && is_secret_name(word);
      word = redact_access_keys(redact_queries(redact_urls(std::move(word))));
    }
    out += word;
    if (more) out += ' ';
  }
  return out;
}

}  // namespace telinject
