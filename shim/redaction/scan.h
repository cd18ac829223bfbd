// Walks once over a text and hides values whose context marks them as secrets: values of secret
// names (`token=x`, `password: x`, `"api_key": "x"`, `<secret>x</secret>`, `--password x`), words
// behind schemes (`Bearer x`), users of URLs, hooks and bots in paths; and tokens of known shapes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "shim/redaction/name_judge.h"
#include "shim/redaction/scan_text.h"
#include "shim/redaction/shapes.h"

namespace telinject::redaction {

inline constexpr std::string_view kRedacted = "REDACTED";

class Scan : ScanText {
 public:
  Scan(std::string_view text, Place place, NameJudge* names)
      : ScanText(text, place), names_(names), shapes_(text) {}

  // False if there is no secret. Otherwise `out` is the text without secrets.
  bool run(std::string* out);

 private:
  void step();
  void word();
  void value_of(const Word& word, const Follow& follow);
  void secret_value(const Word& word, const Follow& follow, bool wire, bool line);
  bool has_no_value(const Word& word, const Follow& follow, size_t at, bool wire) const;
  bool is_no_value_behind_colon(const Word& word, std::string_view value, bool gap) const;
  void option_or_sentence(const Word& word, const Follow& follow);
  void sentence(const Word& word, size_t at);
  void word_for_password(Span span);
  size_t colon_behind(size_t at) const;
  bool oracle_user(const Word& word);
  void scheme(size_t at);
  void sql_password(size_t at);
  void argument_of_call(const Word& word, size_t at);
  void member_named_value(size_t at);
  void markup(const Word& word, size_t at);
  bool path_secret(const Word& word);
  void users_of_url();
  void password_at_host(const Word& word);

  bool is_second_word(const Word& word) const;
  void hide(Span span, std::string_view instead = kRedacted);

  NameJudge* names_;
  Shapes shapes_;
  std::string* out_ = nullptr;
  size_t at_ = 0, copied_ = 0;
  size_t no_sign_until_ = 0;  // no @ before
};

}  // namespace telinject::redaction
