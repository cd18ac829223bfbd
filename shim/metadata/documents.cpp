#include "shim/metadata/documents.h"

#include <arpa/inet.h>

#include <algorithm>

#include "shim/metadata/text_files.h"

namespace telinject {

using nlohmann::json;

json parse_document(std::string_view text) {
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  return document.is_object() ? document : json(json::value_t::discarded);
}

const json& value_at(const json& document, std::initializer_list<std::string_view> path) {
  static const json kNothing;
  const json* at = &document;
  for (std::string_view key : path) {
    if (!at->is_object()) return kNothing;
    auto found = at->find(std::string(key));
    if (found == at->end()) return kNothing;
    at = &*found;
  }
  return *at;
}

std::string text_at(const json& document, std::initializer_list<std::string_view> path) {
  const json& value = value_at(document, path);
  std::string text;
  if (value.is_string()) {
    text = value.get<std::string>();
  } else if (value.is_number()) {
    text = value.dump();
  }
  return text.size() <= kMaxValueBytes ? text : std::string();
}

std::string one_word(std::string_view text) {
  text = trimmed(text);
  bool plain = text.size() <= kMaxValueBytes && std::all_of(text.begin(), text.end(), [](char c) {
                 return c > ' ' && c < 0x7f && c != '<';
               });
  return plain ? std::string(text) : std::string();
}

std::string region_of_zone(const std::string& zone) {
  size_t dash = zone.rfind('-');
  bool letter_follows = dash != std::string::npos && zone.size() == dash + 2;
  return letter_follows && zone.find('-') != dash ? zone.substr(0, dash) : zone;
}

std::string last_part(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

bool is_address(const std::string& text) {
  in6_addr address;
  return inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

}  // namespace telinject
