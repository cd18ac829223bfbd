// A text that is scanned for secrets: its words, and the values that may follow them.
#pragma once

#include <cstddef>
#include <string_view>

namespace telinject::redaction {

enum class Place { kText, kUrl };  // kUrl: a URL, a request's target, a header's value

class ScanText {
 protected:
  struct Span {
    size_t from, to;
  };
  struct Word {
    size_t start, end;
    std::string_view name;
  };
  // What stands behind a word: one of = : > , ( or a blank; 0 if none of them does.
  struct Follow {
    char what = 0;
    bool quoted = false;  // the word ends with a quote
    bool spaced = false;  // blanks come before it
    size_t at = 0;        // behind it
  };

  ScanText(std::string_view text, Place place) : text_(text), place_(place) {}

  char peek(size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
  char before(size_t at) const { return at > 0 ? text_[at - 1] : '\0'; }
  std::string_view part(Span span) const { return text_.substr(span.from, span.to - span.from); }
  size_t skip_blanks(size_t at) const;
  size_t name_end(size_t at) const;
  Follow follow(size_t end) const;
  Follow separator(Follow follow, size_t at) const;
  bool on_the_wire(size_t start) const;
  std::string_view word_before(size_t at) const;

  Span quoted_value(size_t at) const;
  Span value_at(size_t at, bool wire) const;
  size_t value_end(size_t at, bool wire) const;
  bool ends_here(size_t at, bool wire) const;
  bool opens_structure(size_t at) const;
  bool names_next(size_t at) const;
  Span next_word(size_t at) const;
  Span rest_of_line(const Word& word, size_t at) const;

  const std::string_view text_;
  const Place place_;
};

}  // namespace telinject::redaction
