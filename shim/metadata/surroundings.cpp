#include "shim/metadata/surroundings.h"

#include <cstring>

#include "shim/metadata/text_files.h"

namespace telinject {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool decode_percent(std::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%') {
      *out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return false;
    *out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

}  // namespace

Surroundings Surroundings::of(char* const* envp, std::string root) {
  Surroundings all;
  all.root = std::move(root);
  for (char* const* entry = envp; *entry != nullptr; entry++) {
    const char* equals = strchr(*entry, '=');
    // getenv takes the first of two variables with one name.
    if (equals != nullptr)
      all.variables.emplace(std::string(*entry, static_cast<size_t>(equals - *entry)), equals + 1);
  }
  return all;
}

std::string Surroundings::get(std::string_view name) const {
  auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

std::string Surroundings::file(std::string_view name) const {
  return read_small_file(path(name));
}

std::map<std::string, std::string, std::less<>> parse_resource_attributes(std::string_view text) {
  std::map<std::string, std::string, std::less<>> attributes;
  while (!text.empty()) {
    size_t comma = text.find(',');
    std::string_view part = trimmed(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (part.empty()) continue;
    size_t equals = part.find('=');
    std::string key, value;
    if (equals == std::string_view::npos || equals == 0 ||
        !decode_percent(trimmed(part.substr(0, equals)), &key) ||
        !decode_percent(trimmed(part.substr(equals + 1)), &value)) {
      return {};
    }
    attributes[key] = value;
  }
  return attributes;
}

}  // namespace telinject
