// Walks once over a text and hides what its surroundings call a secret: values of secret names
// (`token=x`, `password: x`, `"api_key": "x"`, `<secret>x</secret>`, `--password x`), words behind
// schemes (`Bearer x`), users of URLs, hooks and bots in paths; and tokens by their looks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "shim/redaction/name_judge.h"
#include "shim/redaction/shapes.h"

namespace telinject::redaction {

inline constexpr std::string_view kRedacted = "REDACTED";

enum class Place { kText, kUrl };  // kUrl: a URL, a request's target, a header's value

class Scan {
 public:
  Scan(std::string_view text, Place place, NameJudge* names)
      : text_(text), place_(place), names_(names), shapes_(text) {}

  // False if there is nothing to hide. Else `out` is the text without it.
  bool run(std::string* out);

 private:
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

  char peek(size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
  char before(size_t at) const { return at > 0 ? text_[at - 1] : '\0'; }
  std::string_view part(Span span) const { return text_.substr(span.from, span.to - span.from); }
  size_t skip_blanks(size_t at) const;
  size_t name_end(size_t at) const;
  Follow follow(size_t end) const;
  Follow separator(Follow follow, size_t at) const;
  bool on_the_wire(size_t start) const;
  std::string_view word_before(size_t at) const;

  void step();
  void word();
  void value_of(const Word& word, const Follow& follow);
  void value_behind_colon(const Word& word, size_t at);
  void option_or_sentence(const Word& word, const Follow& follow);
  void sentence(const Word& word, size_t at);
  void scheme(size_t at);
  void sql_password(size_t at);
  void argument_of_call(const Word& word, size_t at);
  void member_named_value(size_t at);
  void markup(const Word& word, size_t at);
  bool path_secret(const Word& word);
  void users_of_url();
  void password_at_host(const Word& word);

  Span quoted_value(size_t at) const;
  Span value_at(size_t at, bool wire) const;
  size_t value_end(size_t at, bool wire) const;
  bool ends_here(size_t at, bool wire) const;
  bool is_second_word(const Word& word) const;
  bool opens_structure(size_t at) const;
  bool names_next(size_t at) const;
  Span next_word(size_t at) const;
  Span rest_of_line(const Word& word, size_t at) const;
  void hide(Span span, std::string_view instead = kRedacted);

  std::string_view text_;
  Place place_;
  NameJudge* names_;
  Shapes shapes_;
  std::string* out_ = nullptr;
  size_t at_ = 0, copied_ = 0;
  size_t no_sign_until_ = 0;  // no @ before
};

}  // namespace telinject::redaction
