#include "shim/redaction/scan.h"
#include "shim/redaction/values.h"

#include <algorithm>

#include "shim/redaction/characters.h"
#include "shim/redaction/subprotocols.h"

namespace telinject::redaction {

namespace {

constexpr size_t kNone = std::string_view::npos;
constexpr size_t kMostBlanks = 16;

// Words before "token" that speak of a parser's.
constexpr std::string_view kParsersWords[] = {"unexpected", "expected", "invalid", "illegal",
                                              "unknown",    "missing",  "next",    "bad",
                                              "stray",      "before",   "after",   "last"};
// What sentences go on with behind "password: ".
constexpr std::string_view kSentences[] = {
    "not",    "no",         "invalid",    "expired",      "missing",   "required",    "must",
    "wrong",  "unknown",    "incorrect",  "unauthorized", "denied",    "cannot",      "could",
    "unable", "is",         "was",        "the",          "a",         "an",          "should",
    "empty",  "too",        "failed",     "bad",          "malformed", "unsupported", "does",
    "did",    "permission", "rejected",   "revoked",      "locked",    "mismatch",    "accepted",
    "please", "enter",      "unexpected", "expected",     "error"};

// X-Some-Key, Some-Signature: in a text, what a header is called.
bool is_header_like(std::string_view name) {
  bool begins = name.starts_with("x-") || (!name.empty() && is(name[0], kUpper));
  return begins && name.find('-') != kNone && name.find_first_of("_.") == kNone;
}

bool speaks(std::string_view value) {
  while (!value.empty() && (value.back() == ',' || value.back() == '.')) value.remove_suffix(1);
  return is_one_of(value, kSentences);
}

}  // namespace

bool Scan::run(std::string* out) {
  out_ = out;
  out_->clear();
  while (at_ < text_.size()) step();
  if (copied_ == 0) return false;
  out_->append(text_.substr(copied_));
  return true;
}

void Scan::hide(Span span, std::string_view instead) {
  out_->append(text_.substr(copied_, span.from - copied_)).append(instead);
  copied_ = at_ = span.to;
}

void Scan::step() {
  char c = text_[at_];
  size_t end = 0;
  if (is(c, kWordStart)) return word();
  if (c == '/' && peek(at_ + 1) == '/') return users_of_url();
  if (c == '-') end = shapes_.private_key_end(at_);
  if (c == '$') end = shapes_.hash_end(at_);
  if (end != 0) return hide({at_, end});
  at_++;
}

size_t Scan::skip_blanks(size_t at) const {
  size_t end = at;
  while (end - at < kMostBlanks && (peek(end) == ' ' || peek(end) == '\t')) end++;
  return end;
}

// With %5F, %2D and %2E in it. A JWT behind a dot is a word of its own.
size_t Scan::name_end(size_t at) const {
  while (at < text_.size()) {
    int byte = percent_byte(text_, at);
    if (byte == '_' || byte == '-' || byte == '.') {
      at += 3;
    } else if (!is(text_[at], kName) || (text_[at] == '.' && text_.substr(at + 1, 3) == "eyJ")) {
      break;
    } else {
      at++;
    }
  }
  return at;
}

// What separates a name and its value. "::" is of C++, "://" of a URL.
Scan::Follow Scan::separator(Follow follow, size_t at) const {
  char c = peek(at), next = peek(at + 1);
  auto found = [&](char what, size_t behind) {
    follow.what = what;
    follow.at = behind;
    return follow;
  };
  if (c == '=') return found('=', next == '=' || next == '>' || next == '~' ? at + 2 : at + 1);
  if ((c == ':' || c == '+' || c == '?' || c == '!') && next == '=') return found('=', at + 2);
  if (c == ':' && next != ':' && text_.substr(at, 3) != "://") return found(':', at + 1);
  if (c == '-' && next == '>') return found('=', at + 2);
  if (c == '>' || c == ',' || c == '(' || c == ')') return found(c, at + 1);
  if (c == '{' || c == '[' || c == '<') return found('(', at + 1);
  if (follow.spaced || follow.quoted) return found(' ', at);
  return follow;
}

Scan::Follow Scan::follow(size_t end) const {
  Follow follow;
  int byte = percent_byte(text_, end);
  if (peek(end) == ']') end++;  // user[password]=x
  if (byte == ']') end += 3;
  size_t quote = end;
  while (peek(quote) == '\\') quote++;
  if (is(peek(quote), kQuote)) {
    follow.quoted = true;
    end = quote + 1;
    if (peek(end) == ']') end++;  // map["password"] = x
  }
  size_t at = skip_blanks(end);
  follow.spaced = at > end;
  return separator(follow, at);
}

// Where also names count that are too common elsewhere.
bool Scan::on_the_wire(size_t start) const {
  if (place_ == Place::kUrl && start == 0) return true;
  if (place_ == Place::kUrl && before(start) == ' ') start--;
  char c = before(start);
  if (c == '?' || c == '&') return true;
  if (c == '#') return start > 1 && !is(text_[start - 2], kBlank);
  return place_ == Place::kUrl && (c == ';' || c == ',');
}

std::string_view Scan::word_before(size_t at) const {
  constexpr size_t kLongest = 16;
  size_t end = at;
  while (end > 0 && at - end < 2 && is(text_[end - 1], kBlank)) end--;
  size_t start = end;
  while (start > 0 && end - start < kLongest && is(text_[start - 1], kLetter)) start--;
  return text_.substr(start, end - start);
}

void Scan::word() {
  size_t start = at_;
  if (size_t end = shapes_.token_end(start); end != 0) return hide({start, end});
  size_t end = at_ = name_end(start);
  Word word = {start, end, text_.substr(start, end - start)};
  while (word.name.ends_with('.') || word.name.ends_with('-')) word.name.remove_suffix(1);
  if (before(start) == '/' && path_secret(word)) return;
  Follow next = follow(end);
  switch (next.what) {
    case 0:
      return;
    case '=':
    case ':':
      return value_of(word, next);
    case '>':
      return markup(word, next.at);
    case ',':
    case '(':
    case ')':
      if (next.quoted) return member_named_value(next.at);
      return argument_of_call(word, next.at);
    default:
      return option_or_sentence(word, next);
  }
}

void Scan::value_of(const Word& word, const Follow& follow) {
  if (follow.what == ':' && is_subprotocols(word.name)) {
    Span span = rest_of_line(word, skip_blanks(follow.at));
    return hide(span, redact_subprotocols(part(span)));
  }
  Secrecy secrecy = names_->judge(word.name);
  bool header = follow.what == ':' && is_header_like(word.name);
  bool wire = header || on_the_wire(word.start);
  if (secrecy < Secrecy::kAnywhere && !wire && is_second_word(word)) secrecy = Secrecy::kAnywhere;
  if (secrecy == Secrecy::kOnTheWire && !wire) {
    Span span = value_at(skip_blanks(follow.at), wire);
    if (looks_like_token(part(span))) return hide(span);
  }
  if (secrecy == Secrecy::kNone || (secrecy == Secrecy::kOnTheWire && !wire)) {
    if (follow.what == ':' && !follow.quoted) password_at_host(word);
    return;
  }
  size_t at = skip_blanks(follow.at);
  bool gap = at > follow.at;
  // "NAME= program" gives it no value; "password= x" does.
  bool shouts =
      std::none_of(word.name.begin(), word.name.end(), [](char c) { return is(c, kLower); });
  if (follow.what == '=' && gap && !follow.spaced && shouts && !is(peek(at), kQuote)) return;
  if (follow.what == '=' && gap && wire) return;
  if (opens_structure(at)) return;
  bool line = (header || (secrecy == Secrecy::kLine && follow.what == ':')) && !follow.quoted &&
              !is(peek(at), kQuote);
  Span span = line ? rest_of_line(word, at) : value_at(at, wire);
  std::string_view value = part(span);
  if (is_plain_value(value) || is_harmless(word.name, value)) return;
  if (follow.what == ':' && !line) {
    bool of_path =
        before(word.start) == '/' && word.start > 1 && !is(text_[word.start - 2], kBlank);
    if (!gap && of_path && !looks_random(value, 6)) return;  // an image and its tag
    if (gap && (speaks(value) || is_one_of(word_before(word.start), kParsersWords))) {
      if (!looks_random(value, 8)) return;
    }
  }
  hide(span);
}

// "API key: x", "secret value: x", "password was: x": the word before makes it a secret's name.
bool Scan::is_second_word(const Word& word) const {
  constexpr std::string_view kSecondWords[] = {"key", "value", "was", "is", "string", "phrase"};
  if (before(word.start) != ' ' || !is_one_of(word.name, kSecondWords)) return false;
  std::string both(word_before(word.start));
  if (both.empty()) return false;
  return names_->judge(both.append("_").append(word.name)) >= Secrecy::kAnywhere;
}

// {"auth": {"token": "x"}}: what is in it has names of its own.
bool Scan::opens_structure(size_t at) const {
  char c = peek(at), next = peek(at + 1);
  return (c == '{' || c == '[') && (is(next, kBlank | kQuote) || next == '{' || next == '[' ||
                                    next == '\\' || names_next(at + 1));
}

Scan::Span Scan::rest_of_line(const Word& word, size_t at) const {
  char quote = before(word.start);
  size_t end = at;
  while (end < text_.size() && text_[end] != '\n' && text_[end] != '\r') {
    if (is(quote, kQuote) && text_[end] == quote) break;
    end++;
  }
  while (end > at && is(text_[end - 1], kBlank)) end--;
  return {at, end};
}

// Up to the same quote, behind as many backslashes: in JSON within a string they are \".
Scan::Span Scan::quoted_value(size_t at) const {
  size_t quote = at;
  while (peek(quote) == '\\') quote++;
  size_t depth = quote - at;
  char kind = peek(quote);
  size_t from = quote + 1, end = from, slashes = 0;
  for (; end < text_.size(); end++) {
    char c = text_[end];
    if (c == kind && (depth == 0 ? slashes % 2 == 0 : slashes <= depth)) {
      return {from, end - std::min(slashes, depth)};
    }
    slashes = c == '\\' ? slashes + 1 : 0;
  }
  return {from, std::max(from, end)};
}

Scan::Span Scan::value_at(size_t at, bool wire) const {
  size_t quote = at;
  while (peek(quote) == '\\') quote++;
  if (is(peek(quote), kQuote) && quote < text_.size()) {
    Span span = quoted_value(at);
    return {std::min(span.from, text_.size()), std::min(span.to, text_.size())};
  }
  Span span = {at, value_end(at, wire)};
  // "token: Bearer x": the scheme and what it is followed by.
  constexpr std::string_view kSchemes[] = {"bearer", "basic", "token", "digest", "negotiate"};
  if (is_one_of(part(span), kSchemes) && peek(span.to) == ' ') {
    span.to = value_end(skip_blanks(span.to), wire);
  }
  return span;
}

// The next pair begins here: NAME= or NAME:
bool Scan::names_next(size_t at) const {
  constexpr size_t kLongestName = 64;
  size_t end = at = skip_blanks(at);
  bool quoted = is(peek(end), kQuote);
  if (quoted) end++;
  while (end < text_.size() && end - at < kLongestName &&
         (is(text_[end], kName) || peek(end) == ' ')) {
    end++;
  }
  if (end > at && is(peek(end), kQuote)) end++;
  return end > at && (peek(end) == '=' || peek(end) == ':');
}

bool Scan::ends_here(size_t at, bool wire) const {
  char c = text_[at], next = peek(at + 1);
  switch (c) {
    case '&':
    case '#':
      return wire || (c == '&' && (next == '&' || is(next, kBlank) || names_next(at + 1)));
    case '?':
      return wire && place_ == Place::kUrl && names_next(at + 1);
    case ';':
    case ',':
      return is(next, kBlank | kQuote) || next == '}' || next == ')' || names_next(at + 1);
    case '"':
    case '\'':
    case ')':
    case ']':
    case '}':
      return !is(next, kLetter | kDigit);
    case '\\':
      return next == 'n' || next == 'r' || next == 't' || is(next, kQuote);
    case '<':
    case '>':
      return true;
    default:
      return is(c, kBlank);
  }
}

size_t Scan::value_end(size_t at, bool wire) const {
  while (at < text_.size() && !ends_here(at, wire)) at++;
  return at;
}

Scan::Span Scan::next_word(size_t at) const {
  at = skip_blanks(at);
  return value_at(at, /*wire=*/false);
}

}  // namespace telinject::redaction
