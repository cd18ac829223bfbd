#include "shim/http/redaction.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "shim/events/secrets.h"

namespace telinject {

namespace {

// Whoever sends a new name each time shall not fill the memory.
constexpr size_t kMaxKnownNames = 2048;
// No token that is known by its looks is shorter.
constexpr size_t kShortestToken = 15;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Names may be written as access%5Ftoken.
std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

enum CharKind : uint8_t { kOther, kInWord, kTokenBegins };

// What tokens begin with: events/secrets.cpp has the list.
constexpr std::array<uint8_t, 256> kKinds = [] {
  std::array<uint8_t, 256> kinds{};
  for (char c = 'a'; c <= 'z'; c++) kinds[static_cast<unsigned char>(c)] = kInWord;
  for (char c = 'A'; c <= 'Z'; c++) kinds[static_cast<unsigned char>(c)] = kInWord;
  for (char c = '0'; c <= '9'; c++) kinds[static_cast<unsigned char>(c)] = kInWord;
  for (char c : {'_', '-', '.'}) kinds[static_cast<unsigned char>(c)] = kInWord;
  for (char c : {'A', 'g', 'h', 'x', 's', 'r', 'y', 'n', 'p', 'd', 'S', 'e'}) {
    kinds[static_cast<unsigned char>(c)] = kTokenBegins;
  }
  return kinds;
}();

// A word that is as long as a token at least and begins as one does: few values have any.
bool may_have_token(std::string_view text) {
  for (size_t at = 0; at + kShortestToken <= text.size();) {
    size_t end = at;
    while (end < text.size() && kKinds[static_cast<unsigned char>(text[end])] != kOther) end++;
    bool begins = kKinds[static_cast<unsigned char>(text[at])] == kTokenBegins;
    if (begins && end - at >= kShortestToken) return true;
    at = end + 1;
  }
  return text.find("-----BEGIN ") != text.npos;
}

std::vector<std::string> split_names(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!name.empty()) names.push_back(normalised_name(name));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return names;
}

}  // namespace

HttpRedaction::HttpRedaction(std::string_view headers, std::string_view query)
    : header_globs_(split_names(headers)), query_globs_(split_names(query)) {}

bool HttpRedaction::judge(std::string_view name, const std::vector<std::string>& globs,
                          Names* known, bool (*secret)(const std::string&)) {
  auto found = known->find(name);
  if (found != known->end()) return found->second;
  std::string text = normalised_name(decoded(name));
  bool is = secret(text) || std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
              return fnmatch(glob.c_str(), text.c_str(), 0) == 0;
            });
  if (known->size() < kMaxKnownNames) known->emplace(name, is);
  return is;
}

bool HttpRedaction::secret_header(std::string_view name) {
  return judge(name, header_globs_, &headers_,
               [](const std::string& text) { return is_secret_header(text); });
}

bool HttpRedaction::secret_query(std::string_view name) {
  return judge(name, query_globs_, &queries_,
               [](const std::string& text) { return is_secret_query(text); });
}

void HttpRedaction::header(std::string_view name, std::string_view value, std::string* out) {
  if (secret_header(name)) {
    out->assign(kRedacted);
    return;
  }
  // Location, Referer, Link, and whatever else has a URL in it.
  bool url_like = value.find("//") != value.npos || value.find('?') != value.npos;
  if (url_like) {
    url(value, out);
  } else {
    out->assign(value);
    if (may_have_token(value)) redact_tokens(out);
  }
}

void HttpRedaction::url(std::string_view text, std::string* out) {
  constexpr std::string_view kBefore = "?&;#", kAfter = "&;#\"<> \t\r\n";
  out->assign(text);
  redact_users(out);
  for (size_t at = out->find_first_of(kBefore); at != std::string::npos;
       at = out->find_first_of(kBefore, at + 1)) {
    size_t from = at + 1;
    while (from < out->size() && (*out)[from] == ' ') from++;
    size_t equals = out->find_first_of("=?&;#\"<> ", from);
    if (equals == std::string::npos) break;
    if ((*out)[equals] != '=') continue;
    size_t end = std::min(out->find_first_of(kAfter, equals), out->size());
    // A path's own parameter ends where the query begins.
    if ((*out)[at] == ';' && at < out->find('?')) end = std::min(end, out->find('?', equals));
    std::string_view name(out->data() + from, equals - from);
    if (end > equals + 1 && secret_query(name)) {
      out->replace(equals + 1, end - equals - 1, kRedacted);
    }
  }
  if (may_have_token(*out)) redact_tokens(out);
}

}  // namespace telinject
