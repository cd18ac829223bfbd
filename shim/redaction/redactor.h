// What leaves the drain goes through here: headers, URLs, command lines, texts of errors, names of
// threads and files. One set of rules for all of them, which docs/redaction.md lists.
//
// Everything is a function of the text; time is linear in its length. A Redactor only remembers
// names that it has judged and values without a secret, so it belongs to one thread. Texts in UTF-8
// stay so: what is replaced begins and ends at ASCII characters. Texts without a secret come back
// as they are.
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
  // What TELEMETRY_REDACT_HEADERS and TELEMETRY_REDACT_QUERY say. Both add to all carriers.
  explicit Redactor(std::string_view headers = {}, std::string_view query = {})
      : names_(headers, query) {}

  bool secret_header(std::string_view name);

  // `out` is replaced in each.
  // A header's value, or the value of a trailer.
  void header(std::string_view name, std::string_view value, std::string* out);
  // A URL, a request's target, or a text with URLs in it.
  void url(std::string_view url, std::string* out);

  // What an error says of itself, a thread's name.
  std::string text(std::string_view text);
  // A file's path: as a text, without what commands have.
  std::string path(std::string_view path);
  // A program's arguments, joined by blanks; in `joined` each is ended by a NUL, and the last may
  // have been cut off.
  std::string arguments(const std::vector<std::string_view>& arguments);
  std::string joined_arguments(std::string_view joined);

 private:
  // False if there is nothing to hide.
  bool scan(std::string_view text, Place place, int encodings, std::string* out);
  std::string scanned(std::string_view text, Place place);

  NameJudge names_;
  CleanValues clean_;  // as URLs
};

}  // namespace telinject::redaction
