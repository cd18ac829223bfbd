// Header blocks of HTTP/1, by Debian's http_parser (2.9.4: the parser of node.js before llhttp; it
// is the one that the traced program's side frames messages with, so both agree on what is one).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shim/http/fields.h"

namespace telinject {

struct HeaderBlock {
  bool request = false;
  std::string_view method, target;  // of a request
  int status = 0;                   // of a response
  int major = 1, minor = 1;
  std::vector<HttpField> fields;  // in order; a folded value keeps its line ends
};

class HeaderBlockParser {
 public:
  // A start line and fields, with or without the empty line at the end; `cut` says that only the
  // beginning is there: an unfinished last line is left out. False if it does not even have a start
  // line. What `block` holds is valid until the next call.
  bool parse(std::string_view text, bool request, bool cut, HeaderBlock* block);

 private:
  std::string method_, text_;
};

}  // namespace telinject
