#include "shim/delivery/header_list.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace telinject::delivery {

namespace {

bool is_header_name(absl::string_view name) {
  constexpr absl::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           kOthers.find(c) != absl::string_view::npos;
  });
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_escape(std::string_view text, size_t at) {
  return text[at] == '%' && at + 2 < text.size() && digit(text[at + 1]) >= 0 &&
         digit(text[at + 2]) >= 0;
}

// Each % begins an escape.
bool is_percent_encoded(std::string_view text) {
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '%' && !is_escape(text, i)) return false;
  }
  return true;
}

std::string_view trimmed(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  return {text.data(), text.size()};
}

}  // namespace

std::string percent_decoded(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); i++) {
    if (!is_escape(text, i)) {
      plain += text[i];
      continue;
    }
    plain += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return plain;
}

bool is_header_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return !absl::ascii_iscntrl(static_cast<unsigned char>(c)) || c == '\t';
  });
}

std::vector<std::string> parse_header_list(std::string_view list,
                                           std::vector<std::string>* headers) {
  std::vector<std::string> problems;
  int number = 0;
  absl::string_view all(list.data(), list.size());
  for (absl::string_view pair : absl::StrSplit(all, ',', absl::SkipWhitespace())) {
    number++;
    size_t equals = pair.find('=');
    absl::string_view name = absl::StripAsciiWhitespace(pair.substr(0, equals));
    if (equals == absl::string_view::npos || !is_header_name(name)) {
      problems.push_back(absl::StrCat("header ", number, " is not Name=value"));
      continue;
    }
    std::string_view encoded = trimmed(pair.substr(equals + 1));
    std::string value = percent_decoded(encoded);
    if (!is_percent_encoded(encoded)) {
      problems.push_back(absl::StrCat("the value of header ", name, " is not percent-encoded"));
    } else if (!is_header_value(value)) {
      problems.push_back(absl::StrCat("the value of header ", name, " has control characters"));
    } else {
      headers->push_back(absl::StrCat(name, ": ", value));
    }
  }
  return problems;
}

}  // namespace telinject::delivery
