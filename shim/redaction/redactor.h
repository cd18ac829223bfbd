// Takes secrets out of all text before it leaves the drain: headers, URLs, command lines, texts of
// errors, names of threads and files. docs/redaction.md lists the rules.
//
// The result depends on the text only; time is linear in its length. A Redactor caches names and
// values without secrets, so it belongs to one thread. UTF-8 stays valid, because replaced parts
// begin and end at ASCII characters. Texts without a secret are returned unchanged.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shim/redaction/clean_values.h"
#include "shim/redaction/name_judge.h"
#include "shim/redaction/scan.h"

namespace telinject::redaction {

class Redactor {
 public:
  // The lists of TELEMETRY_REDACT_HEADERS and TELEMETRY_REDACT_QUERY. Both apply to all carriers.
  explicit Redactor(std::string_view headers = {}, std::string_view query = {})
      : names_(headers, query) {}

  bool secret_header(std::string_view name);

  // `out` is replaced in each.
  // A header's value, or the value of a trailer.
  void header(std::string_view name, std::string_view value, std::string* out);
  // A URL, a request's target, or a text with URLs in it.
  void url(std::string_view url, std::string* out);

  // An error's text, a thread's name.
  std::string text(std::string_view text);
  // A file's path: as a text, without what commands have.
  std::string path(std::string_view path);
  // A program's arguments, joined by blanks; in `joined` each is ended by a NUL, and the last may
  // have been cut off.
  std::string arguments(const std::vector<std::string_view>& arguments);
  std::string joined_arguments(std::string_view joined);

 private:
  // False if there is no secret.
  bool scan(std::string_view text, Place place, int encodings, std::string* out);
  std::string scanned(std::string_view text, Place place);

  NameJudge names_;
  CleanValues clean_;  // as URLs
};

}  // namespace telinject::redaction
