#include "shim/redaction/scan_text.h"

#include <algorithm>

#include "shim/redaction/characters.h"

namespace telinject::redaction {

namespace {

constexpr size_t kMostBlanks = 16;

}  // namespace

size_t ScanText::skip_blanks(size_t at) const {
  size_t end = at;
  while (end - at < kMostBlanks && (peek(end) == ' ' || peek(end) == '\t')) end++;
  return end;
}

// With %5F, %2D and %2E in it. A JWT behind a dot is a word of its own.
size_t ScanText::name_end(size_t at) const {
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
ScanText::Follow ScanText::separator(Follow follow, size_t at) const {
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

ScanText::Follow ScanText::follow(size_t end) const {
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
bool ScanText::on_the_wire(size_t start) const {
  if (place_ == Place::kUrl && start == 0) return true;
  if (place_ == Place::kUrl && before(start) == ' ') start--;
  char c = before(start);
  if (c == '?' || c == '&') return true;
  if (c == '#') return start > 1 && !is(text_[start - 2], kBlank);
  return place_ == Place::kUrl && (c == ';' || c == ',');
}

std::string_view ScanText::word_before(size_t at) const {
  constexpr size_t kLongest = 16;
  size_t end = at;
  while (end > 0 && at - end < 2 && is(text_[end - 1], kBlank)) end--;
  size_t start = end;
  while (start > 0 && end - start < kLongest && is(text_[start - 1], kLetter)) start--;
  return text_.substr(start, end - start);
}

// {"auth": {"token": "x"}}: what is in it has names of its own.
bool ScanText::opens_structure(size_t at) const {
  char c = peek(at), next = peek(at + 1);
  return (c == '{' || c == '[') && (is(next, kBlank | kQuote) || next == '{' || next == '[' ||
                                    next == '\\' || names_next(at + 1));
}

ScanText::Span ScanText::rest_of_line(const Word& word, size_t at) const {
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
ScanText::Span ScanText::quoted_value(size_t at) const {
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

ScanText::Span ScanText::value_at(size_t at, bool wire) const {
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
bool ScanText::names_next(size_t at) const {
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

bool ScanText::ends_here(size_t at, bool wire) const {
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

size_t ScanText::value_end(size_t at, bool wire) const {
  while (at < text_.size() && !ends_here(at, wire)) at++;
  return at;
}

ScanText::Span ScanText::next_word(size_t at) const {
  at = skip_blanks(at);
  return value_at(at, /*wire=*/false);
}

}  // namespace telinject::redaction
