// Parses HTTP/1 header blocks with Debian's http_parser (2.9.4, node.js's parser before llhttp).
// The library in the traced program finds messages with the same parser, so both sides agree.
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
  // Parses a start line and fields, with or without the empty line at the end. `cut`: only the
  // beginning is there, and an unfinished last line is ignored. False if there is no start line.
  // `block` is valid until the next call.
  bool parse(std::string_view text, bool request, bool cut, HeaderBlock* block);

 private:
  std::string method_, text_;
};

}  // namespace telinject
