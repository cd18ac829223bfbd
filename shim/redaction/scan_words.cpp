// The rules that are not of the form name, separator, value.
#include <algorithm>

#include "shim/redaction/characters.h"
#include "shim/redaction/scan.h"
#include "shim/redaction/values.h"

namespace telinject::redaction {

namespace {

constexpr std::string_view kSchemes[] = {"bearer", "basic", "digest", "negotiate", "ntlm",
                                         "token",  "jwt",   "apikey", "splunk"};
// Nouns that a secret follows in a sentence: quoted whatever it is, or if it looks random.
constexpr std::string_view kPasswords[] = {"password", "passphrase", "passcode",
                                           "pwd",      "passwort",   "securestring"};
constexpr std::string_view kOthers[] = {"token",       "otp",    "secret", "credential",
                                        "credentials", "apikey", "cookie", "session",
                                        "jwt",         "key",    "pass"};
constexpr std::string_view kIs[] = {"is", "was", "=", "->"};
// What is said of a password that stands before it, and of passwords at large.
constexpr std::string_view kVerdicts[] = {"rejected", "refused", "denied", "incorrect",
                                          "wrong",    "does",    "did"};
constexpr std::string_view kSaidOfPasswords[] = {
    "about",       "accepted",       "access",    "account",    "added",       "again",
    "allowed",     "already",        "always",    "also",       "another",     "asked",
    "auth",        "authentication", "available", "aging",      "based",       "because",
    "before",      "being",          "blank",     "cached",     "change",      "changed",
    "changing",    "check",          "checked",   "command",    "compromised", "configured",
    "confirmed",   "correct",        "correctly", "could",      "created",     "currently",
    "database",    "declined",       "default",   "defined",    "deleted",     "denied",
    "different",   "disabled",       "easily",    "either",     "empty",       "enabled",
    "encrypted",   "entered",        "entry",     "equal",      "error",       "exactly",
    "exceeded",    "exists",         "expected",  "expired",    "expiring",    "failed",
    "failure",     "field",          "files",     "found",      "given",       "going",
    "good",        "guessable",      "hashed",    "hidden",     "identical",   "ignored",
    "illegal",     "incorrect",      "insecure",  "invalid",    "known",       "length",
    "less",        "likely",         "limited",   "located",    "locked",      "login",
    "longer",      "malformed",      "mandatory", "matched",    "matching",    "method",
    "mismatch",    "missing",        "more",      "necessary",  "needed",      "never",
    "newer",       "nonempty",       "notified",  "obsolete",   "obtained",    "older",
    "omitted",     "optional",       "passed",    "permitted",  "plain",       "policy",
    "possible",    "present",        "private",   "prompt",     "neither",     "please",
    "press",       "prompted",       "protected", "protection", "provided",    "queried",
    "randomly",    "read",           "reached",   "really",     "received",    "refused",
    "rejected",    "removed",        "repeated",  "replaced",   "requested",   "required",
    "reset",       "retrieved",      "right",     "salted",     "same",        "saved",
    "secret",      "secure",         "sent",      "service",    "shorter",     "should",
    "shown",       "similar",        "simple",    "simply",     "specified",   "still",
    "stored",      "stronger",       "strong",    "supplied",   "supported",   "temporary",
    "their",       "there",          "these",     "this",       "typed",       "unable",
    "unavailable", "unchanged",      "undefined", "unknown",    "unlocked",    "unset",
    "unspecified", "unsupported",    "updated",   "usable",     "used",        "user",
    "using",       "valid",          "validated", "verified",   "visible",     "weaker",
    "which",       "within",         "without",   "would",      "wrong",       "written",
    "your"};
constexpr std::string_view kJoints[] = {"is", "was", "to", "as", "of", "=", "->", "with"};
// Before a colon and something with a sign in it that are no user and password.
constexpr std::string_view kNoUsers[] = {"mailto", "sip",   "sips",    "xmpp",       "acct",
                                         "npm",    "pkg",   "from",    "to",         "cc",
                                         "bcc",    "email", "sender",  "maintainer", "workspace",
                                         "author", "mail",  "contact", "reply-to",   "patch"};
constexpr std::string_view kShellSchemes[] = {"ssh",   "sftp", "git+ssh", "svn+ssh",
                                              "rsync", "scp",  "git"};
// Addresses that are secrets from the marked place on, after so many segments.
struct Hook {
  std::string_view marker;
  int segments;
};
constexpr Hook kHooks[] = {
    {"services/", 0}, {"workflows/", 0}, {"webhooks/", 1}, {"webhookb2/", 0}, {"triggers/", 0}};
constexpr std::string_view kHookHosts[] = {"hooks.slack.com", "discord.com", "discordapp.com",
                                           "webhook.office.com"};
// Segments of paths that are followed by one-time secrets.
constexpr std::string_view kPathNames[] = {"reset", "invite",      "verify", "confirm", "activate",
                                           "magic", "unsubscribe", "s",      "share",   "key"};

bool looks_like_credentials(std::string_view value) {
  if (value.size() < 6 || value.find("=\"") != kNotFound) return false;
  constexpr size_t kLongestWord = 15;
  bool digit = false, upper = false, lower_seen = false, sign = value.size() > kLongestWord;
  for (size_t i = 0; i < value.size(); i++) {
    digit = digit || is(value[i], kDigit);
    upper = upper || (i > 0 && is(value[i], kUpper));
    lower_seen = lower_seen || is(value[i], kLower);
    sign = sign || value[i] == '=' || value[i] == '+' || value[i] == '_';
  }
  return digit || sign || (upper && lower_seen);
}

bool is_number(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return hex_digit(c) >= 0; });
}

bool is_path_char(char c) {
  return !is(c, kBlank | kQuote) && std::string_view("/?#&<>;,").find(c) == kNotFound;
}

}  // namespace

void Scan::option_or_sentence(const Word& word, const Follow& follow) {
  if (follow.quoted) return member_named_value(follow.at);
  bool option = before(word.start) == '-';
  if (option && word.name.size() > 1 && names_->judge(word.name) >= Secrecy::kAnywhere) {
    Span span = next_word(follow.at);
    char c = peek(span.from);
    bool other = c == '-' || c == '|' || c == ';' || c == '&' || c == '>';
    std::string_view value = part(span);
    if (!other && !is_plain_value(value) && !is_harmless(word.name, value)) hide(span);
    return;
  }
  if (is_one_of(word.name, kSchemes)) {
    size_t was = copied_;
    scheme(follow.at);
    if (copied_ != was) return;
  }
  if (same_ignoring_case(word.name, "identified")) return sql_password(follow.at);
  bool digest = same_ignoring_case(word.name, "digest") &&
                same_ignoring_case(text_.substr(follow.at, 9), "username=");
  if (digest || word.name.starts_with("AWS4-HMAC")) return hide(rest_of_line(word, follow.at));
  sentence(word, follow.at);
}

// "Bearer x": what follows, unless it is a word of a language or a parameter of a challenge.
void Scan::scheme(size_t at) {
  Span span = next_word(at);
  std::string_view value = part(span);
  if (!is_plain_value(value) && looks_like_credentials(value)) hide(span);
}

// "password x", "the token is x", "key 'x'".
void Scan::sentence(const Word& word, size_t at) {
  bool password = is_one_of(word.name, kPasswords);
  bool other = !password &&
               (is_one_of(word.name, kOthers) || (word.name.find_first_of("_-") != kNotFound &&
                                                  names_->judge(word.name) >= Secrecy::kAnywhere));
  if (!password && !other) return;
  Span span = next_word(at);
  if (same_ignoring_case(part(span), "for")) {  // password for bob is x, passphrase for key /k: x
    size_t colon = colon_behind(span.to);
    if (password && colon != kNotFound) return word_for_password(next_word(colon + 1));
    span = next_word(next_word(span.to).to);
    if (!is_one_of(part(span), kJoints)) return;
  }
  bool joint = is_one_of(part(span), kJoints);
  bool is_said = joint && is_one_of(part(span), kIs);
  if (joint) span = next_word(span.to);
  std::string_view value = part(span);
  bool quoted = span.from > 0 && is(text_[span.from - 1], kQuote);
  if (password && !quoted && (is_said || is_one_of(part(next_word(span.to)), kVerdicts))) {
    return word_for_password(span);
  }
  if (quoted && same_ignoring_case(word.name, "apikey")) return word_for_password(span);
  bool code = same_ignoring_case(word.name, "otp") && value.size() >= 6 && value.size() <= 8 &&
              std::all_of(value.begin(), value.end(), [](char c) { return is(c, kDigit); });
  if (code) return hide(span);
  bool key = same_ignoring_case(word.name, "key");
  bool open_key = key && !quoted && !is_second_word(word);
  size_t enough = password ? 6 : open_key ? 16 : 10;
  if (is_plain_value(value) || (!looks_random(value, enough) && !(quoted && password))) return;
  // A URL, a path or an assignment has rules of its own.
  if (!quoted && value.find_first_of("/=:") != kNotFound && !password) return;
  if (key && is_number(value)) return;  // an id or a fingerprint
  hide(span);
}

// Of letters alone, too: unless it is one that messages have there.
void Scan::word_for_password(Span span) {
  std::string_view value = part(span);
  while (!value.empty() && std::string_view(".!?,;:)").find(value.back()) != kNotFound) {
    value.remove_suffix(1);
    span.to--;
  }
  bool letters = std::all_of(value.begin(), value.end(), [](char c) { return is(c, kLetter); });
  size_t enough = letters ? 5 : 4;
  if (value.size() < enough || is_plain_value(value) || is_one_of(value, kSaidOfPasswords)) return;
  if (!letters && !looks_random(value, enough)) return;
  hide(span);
}

// Of "for key /k: x": before the line ends, and not far.
size_t Scan::colon_behind(size_t at) const {
  constexpr size_t kFar = 64;
  for (size_t end = at; end + 1 < text_.size() && end - at < kFar && text_[end] != '\n'; end++) {
    if (text_[end] == ':' && is(text_[end + 1], kBlank)) return end;
  }
  return kNotFound;
}

// jdbc:oracle:thin:user/password@host
bool Scan::oracle_user(const Word& word) {
  if (!same_ignoring_case(word.name, "thin") || peek(word.end) != ':') return false;
  size_t end = word.end + 1;
  while (end < text_.size() && is(text_[end], kName)) end++;
  size_t sign = text_.find('@', end);
  if (peek(end) != '/' || sign == kNotFound || sign == end + 1 || sign - end > 128) return false;
  if (text_.substr(end, sign - end).find_first_of(" \t\n\"'") != kNotFound) return false;
  hide({end + 1, sign});
  return true;
}

// IDENTIFIED [WITH plugin] BY [PASSWORD] 'x', in SQL.
void Scan::sql_password(size_t at) {
  for (int words = 0; words < 3; words++) {
    Span span = next_word(at);
    if (part(span).empty()) return;
    at = span.to;
    if (!same_ignoring_case(part(span), "by")) continue;
    span = next_word(at);
    if (same_ignoring_case(part(span), "password")) span = next_word(span.to);
    if (!is_plain_value(part(span))) hide(span);
    return;
  }
}

// strcmp(password, "x"), PASSWORD('x').
void Scan::argument_of_call(const Word& word, size_t at) {
  constexpr size_t kMost = 4;
  size_t end = at;
  while (end - at < kMost && end < text_.size() &&
         (std::string_view(" ,()=!<>&").find(text_[end]) != kNotFound)) {
    end++;
  }
  size_t quote = end;
  while (peek(quote) == '\\') quote++;
  bool quoted = is(peek(quote), kQuote);
  if (!quoted && !looks_random(text_.substr(end, 10), 10)) return;
  if (names_->judge(word.name) < Secrecy::kAnywhere) return;
  Span span = value_at(end, /*wire=*/false);
  std::string_view value = part(span);
  if (!quoted && (!looks_like_token(value) || value.starts_with("0x"))) return;
  if (!is_plain_value(part(span))) hide(span);
}

// {"name": "PASSWORD", "value": "x"}, <add key="Password" value="x"/>.
void Scan::member_named_value(size_t at) {
  constexpr std::string_view kValue = "value";
  size_t end = at;
  auto skip = [&](std::string_view chars) {
    for (size_t n = 0; n < 32 && end < text_.size() && chars.find(text_[end]) != kNotFound; n++)
      end++;
  };
  size_t name_end = at;
  skip(" \t\r\n,\\\"'");
  if (!same_ignoring_case(text_.substr(end, kValue.size()), kValue)) return;
  end += kValue.size();
  skip("\\\"'");
  skip(" \t");
  if (peek(end) != ':' && peek(end) != '=') return;
  // The name, backwards: what brought us here is a quote, and perhaps a comma and blanks.
  while (name_end > 0 && !is(text_[name_end - 1], kName)) name_end--;
  size_t start = name_end;
  while (start > 0 && name_end - start < 64 && is(text_[start - 1], kName)) start--;
  if (names_->judge(text_.substr(start, name_end - start)) < Secrecy::kAnywhere) return;
  Span span = next_word(end + 1);
  if (!is_plain_value(part(span))) hide(span);
}

// <password>x</password>
void Scan::markup(const Word& word, size_t at) {
  if (before(word.start) != '<' && before(word.start) != ':') return;
  if (names_->judge(word.name) < Secrecy::kAnywhere) return;
  size_t end = std::min(text_.find('<', at), text_.size());
  if (!is_plain_value(text_.substr(at, end - at))) hide({at, end});
}

// /bot123:ABC/, /token/x/, hooks of chats. `word` stands behind a slash.
bool Scan::path_secret(const Word& word) {
  auto segment_end = [&](size_t at) {
    while (at < text_.size() && is_path_char(text_[at])) at++;
    return at;
  };
  bool bot = word.name.starts_with("bot") && is(peek(word.start + 3), kDigit);
  bool colon = peek(word.end) == ':' || percent_byte(text_, word.end) == ':';
  if (bot && colon) {
    hide({word.start + 3, segment_end(word.end)});
    return true;
  }
  if (is_one_of(word.name, kHookHosts) || word.name.ends_with(".webhook.office.com")) {
    for (const Hook& hook : kHooks) {
      size_t at = text_.substr(word.end, 24).find(hook.marker);
      if (at == kNotFound) continue;
      at += word.end + hook.marker.size();
      for (int i = 0; i < hook.segments; i++) at = std::min(segment_end(at) + 1, text_.size());
      size_t end = at;
      while (end < text_.size() && (is_path_char(text_[end]) || text_[end] == '/')) end++;
      if (end > at) hide({at, end});
      return end > at;
    }
  }
  if (peek(word.end) != '/') return false;
  size_t end = segment_end(word.end + 1);
  std::string_view value = text_.substr(word.end + 1, end - word.end - 1);
  bool named = is_one_of(word.name, kPathNames);
  if (!looks_random(value, named ? 20 : 10) || value.find(':') != kNotFound) return false;
  if (!named && names_->judge(word.name) < Secrecy::kAnywhere) return false;
  hide({word.end + 1, end});
  return true;
}

// https://user:password@host -> https://REDACTED:REDACTED@host. A password may have what it should
// not: then it goes on up to the last sign before a blank.
void Scan::users_of_url() {
  size_t slashes = at_;
  size_t from = at_ = at_ + 2;
  bool begins =
      slashes == 0 || std::string_view(":<\"'( ,=;").find(text_[slashes - 1]) != kNotFound;
  if (!begins) return;
  size_t end = from, sign = kNotFound, colon = kNotFound, slash = kNotFound;
  for (; end < text_.size() && !is(text_[end], kBlank) && text_[end] != '"' && text_[end] != '<' &&
         text_[end] != '>' && text_[end] != '?' && text_[end] != '#';
       end++) {
    char c = text_[end];
    if (c == '/' && slash == kNotFound) {
      bool odd = colon != kNotFound && sign == kNotFound && end > colon + 1 &&
                 !is(text_[colon + 1], kDigit);
      if (!odd || end <= no_sign_until_) break;
      slash = end;
    }
    if (c == ':' && colon == kNotFound) colon = end;
    if (c == '@') sign = end;
  }
  if (sign == kNotFound) {
    no_sign_until_ = std::max(no_sign_until_, end);
    return;
  }
  std::string_view scheme =
      word_before(slashes - (slashes > 0 && text_[slashes - 1] == ':' ? 1 : 0));
  bool password = colon < sign;
  if (!password && is_one_of(scheme, kShellSchemes)) return;
  hide({from, sign}, password ? "REDACTED:REDACTED" : "REDACTED");
}

// user:password@host, without a scheme: only the password.
void Scan::password_at_host(const Word& word) {
  constexpr size_t kLongest = 128;
  size_t from = word.end + 1, end = from;
  if (peek(word.end) != ':' || is_one_of(word.name, kNoUsers)) return;
  char first = peek(from);
  if (is(first, kBlank | kQuote) || before(word.start) == '/' || before(word.start) == '@') return;
  bool slash = false;
  for (; end < text_.size() && end - from < kLongest && text_[end] != '@'; end++) {
    if (!is_path_char(text_[end]) && text_[end] != '/') break;
    slash = slash || text_[end] == '/';
  }
  constexpr std::string_view kNetworks[] = {"@tcp(", "@unix"};  // of Go's names of databases
  if (slash && !is_one_of(text_.substr(end, 5), kNetworks)) return;
  std::string_view host = text_.substr(std::min(end + 1, text_.size()), 8);
  if (peek(end) != '@' || end == from || host.empty() || !is(host[0], kLetter | kDigit)) return;
  if (host.starts_with("sha256:") || host.starts_with("sha512:")) return;
  size_t host_end = end + 1;
  bool letters = false, dots = false;
  while (is(peek(host_end), kName)) {
    letters = letters || is(text_[host_end], kLetter);
    dots = dots || text_[host_end] == '.';
    host_end++;
  }
  bool address = !letters && std::count(text_.begin() + static_cast<ptrdiff_t>(end),
                                        text_.begin() + static_cast<ptrdiff_t>(host_end), '.') == 3;
  std::string_view tail = text_.substr(host_end, 1);
  bool host_like = dots || tail == ":" || tail == "(" || tail == "/" ||
                   looks_random(text_.substr(from, end - from), 6);
  if ((letters && host_like) || address) hide({from, end});
}

}  // namespace telinject::redaction
