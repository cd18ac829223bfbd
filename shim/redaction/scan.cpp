#include "shim/redaction/scan.h"

#include <algorithm>

#include "shim/redaction/characters.h"
#include "shim/redaction/subprotocols.h"
#include "shim/redaction/values.h"

namespace telinject::redaction {

namespace {

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
  return begins && name.find('-') != kNotFound && name.find_first_of("_.") == kNotFound;
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

void Scan::word() {
  size_t start = at_;
  if (size_t end = shapes_.token_end(start); end != 0) return hide({start, end});
  size_t end = at_ = name_end(start);
  Word word = {start, end, text_.substr(start, end - start)};
  while (word.name.ends_with('.') || word.name.ends_with('-')) word.name.remove_suffix(1);
  if (before(start) == '/' && path_secret(word)) return;
  if (before(start) == ':' && oracle_user(word)) return;
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
  bool header = follow.what == ':' && is_header_like(word.name);
  bool wire = header || on_the_wire(word.start);
  Secrecy secrecy = names_->judge(word.name);
  if (secrecy < Secrecy::kAnywhere && !wire && is_second_word(word)) secrecy = Secrecy::kAnywhere;
  if (secrecy == Secrecy::kOnTheWire && !wire) {
    Span span = value_at(skip_blanks(follow.at), wire);
    if (looks_like_token(part(span))) return hide(span);
    secrecy = Secrecy::kNone;
  }
  if (secrecy != Secrecy::kNone) {
    secret_value(word, follow, wire, header || (secrecy == Secrecy::kLine && follow.what == ':'));
  } else if (follow.what == ':' && !follow.quoted) {
    password_at_host(word);
  }
}

// `line`: all of the line, unless it is quoted.
void Scan::secret_value(const Word& word, const Follow& follow, bool wire, bool line) {
  size_t at = skip_blanks(follow.at);
  if (has_no_value(word, follow, at, wire) || opens_structure(at)) return;
  line = line && !follow.quoted && !is(peek(at), kQuote);
  Span span = line ? rest_of_line(word, at) : value_at(at, wire);
  std::string_view value = part(span);
  if (is_plain_value(value) || is_harmless(word.name, value)) return;
  bool gap = at > follow.at;
  if (follow.what != ':' || line || !is_no_value_behind_colon(word, value, gap)) hide(span);
}

// "NAME= program" gives it no value; "password= x" does.
bool Scan::has_no_value(const Word& word, const Follow& follow, size_t at, bool wire) const {
  if (follow.what != '=' || at == follow.at) return false;
  bool shouts =
      std::none_of(word.name.begin(), word.name.end(), [](char c) { return is(c, kLower); });
  return wire || (!follow.spaced && shouts && !is(peek(at), kQuote));
}

// An image and its tag, or how a sentence goes on.
bool Scan::is_no_value_behind_colon(const Word& word, std::string_view value, bool gap) const {
  bool of_path = before(word.start) == '/' && word.start > 1 && !is(text_[word.start - 2], kBlank);
  if (!gap) return of_path && !looks_random(value, 6);
  bool sentence = speaks(value) || is_one_of(word_before(word.start), kParsersWords);
  return sentence && !looks_random(value, 8);
}

// "API key: x", "secret value: x", "password was: x": the word before makes it a secret's name.
bool Scan::is_second_word(const Word& word) const {
  constexpr std::string_view kSecondWords[] = {"key", "value", "was", "is", "string", "phrase"};
  if (before(word.start) != ' ' || !is_one_of(word.name, kSecondWords)) return false;
  std::string both(word_before(word.start));
  if (both.empty()) return false;
  return names_->judge(both.append("_").append(word.name)) >= Secrecy::kAnywhere;
}

}  // namespace telinject::redaction
