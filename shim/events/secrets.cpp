#include "shim/events/secrets.h"

#include <algorithm>

namespace telinject {

namespace {

// In the name of anything.
constexpr std::string_view kSecretWords[] = {
    "password",   "passwd",     "passphrase",  "pwd",       "secret",
    "token",      "apikey",     "api_key",     "accesskey", "access_key",
    "credential", "privatekey", "private_key", "auth_key",  "authorization"};

// Of headers whose names do not say it themselves (requirement H04).
constexpr std::string_view kSecretHeaders[] = {
    "cookie",       "cookie2",   "set_cookie", "set_cookie2", "x_auth", "x_auth_key",
    "x_session_id", "x_session", "session_id", "x_csrf",      "x_xsrf", "authentication"};
// Of signed URLs, and others. X-Amz-Credential and X-Amz-Security-Token have their words above.
constexpr std::string_view kSecretQueries[] = {"sig",
                                               "signature",
                                               "x_amz_signature",
                                               "x_goog_signature",
                                               "x_oss_signature",
                                               "awsaccesskeyid",
                                               "key",
                                               "code",
                                               "auth",
                                               "pass",
                                               "pw",
                                               "psw",
                                               "jwt",
                                               "bearer",
                                               "otp",
                                               "pin",
                                               "sas",
                                               "session",
                                               "sid",
                                               "sessionid",
                                               "session_id",
                                               "phpsessid",
                                               "jsessionid",
                                               "assertion",
                                               "hmac"};

// What issuers put before their tokens, and how many characters follow at least.
struct TokenShape {
  std::string_view prefix;
  size_t at_least;
};
constexpr TokenShape kTokens[] = {
    {"AKIA", 16},    {"ASIA", 16},     {"ghp_", 20},        {"gho_", 20},      {"ghu_", 20},
    {"ghs_", 20},    {"ghr_", 20},     {"github_pat_", 20}, {"glpat-", 16},    {"xoxb-", 10},
    {"xoxp-", 10},   {"xoxa-", 10},    {"xoxr-", 10},       {"xoxs-", 10},     {"xapp-", 10},
    {"sk-", 20},     {"sk_live_", 10}, {"rk_live_", 10},    {"sk_test_", 10},  {"AIza", 30},
    {"ya29.", 20},   {"npm_", 30},     {"pypi-", 20},       {"dckr_pat_", 20}, {"hvs.", 20},
    {"dop_v1_", 30}, {"SG.", 30},      {"eyJ", 30},
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

template <size_t N>
bool is_one_of(const std::string& name, const std::string_view (&words)[N]) {
  return std::find(std::begin(words), std::end(words), name) != std::end(words);
}

bool has_secret_word(const std::string& name) {
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords),
                     [&](std::string_view word) { return name.find(word) != name.npos; });
}

bool is_name_char(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '-' ||
         c == '.';
}

bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '-' ||
         c == '.' || c == '+' || c == '/' || c == '=';
}

}  // namespace

std::string normalised_name(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = c == '-' ? '_' : lower(c);
  return text;
}

bool is_secret_name(std::string_view name) {
  return has_secret_word(normalised_name(name));
}

bool is_secret_header(std::string_view name) {
  std::string text = normalised_name(name);
  return has_secret_word(text) || is_one_of(text, kSecretHeaders);
}

bool is_secret_query(std::string_view name) {
  std::string text = normalised_name(name);
  return has_secret_word(text) || is_one_of(text, kSecretQueries);
}

void redact_users(std::string* text) {
  for (size_t at = text->find("//"); at != std::string::npos; at = text->find("//", at)) {
    // "https://" and "//host", not "a//b".
    bool begins = at == 0 || std::string_view(":<\"'( ").find((*text)[at - 1]) != std::string::npos;
    at += 2;
    if (!begins) continue;
    size_t end = std::min(text->find_first_of("/?# \t\n\"<>", at), text->size());
    size_t sign = text->rfind('@', end);
    if (sign == std::string::npos || sign < at || sign >= end) continue;
    size_t colon = text->find(':', at);
    std::string user(kRedacted);
    if (colon < sign) user.append(":").append(kRedacted);
    text->replace(at, sign - at, user);
  }
}

void redact_tokens(std::string* text) {
  for (const TokenShape& shape : kTokens) {
    for (size_t at = text->find(shape.prefix); at != std::string::npos;
         at = text->find(shape.prefix, at + 1)) {
      if (at > 0 && is_name_char((*text)[at - 1])) continue;  // within a word
      size_t end = at + shape.prefix.size();
      bool digits = false, letters = false;
      for (; end < text->size() && is_token_char((*text)[end]); end++) {
        digits = digits || ((*text)[end] >= '0' && (*text)[end] <= '9');
        letters = letters || lower((*text)[end]) != (*text)[end] ||
                  ((*text)[end] >= 'a' && (*text)[end] <= 'z');
      }
      if (end - at - shape.prefix.size() < shape.at_least || !digits || !letters) continue;
      text->replace(at, end - at, kRedacted);
    }
  }
  if (size_t key = text->find("-----BEGIN ");
      key != std::string::npos && text->find("PRIVATE KEY", key) != std::string::npos) {
    text->replace(key, std::string::npos, kRedacted);
  }
}

}  // namespace telinject
