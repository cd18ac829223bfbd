#include "shim/http/fields.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace telinject {

namespace {

constexpr std::array<bool, 256> kTokenChars = [] {
  std::array<bool, 256> chars{};
  for (char c = 'a'; c <= 'z'; c++) chars[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; c++) chars[static_cast<unsigned char>(c)] = true;
  for (char c = '0'; c <= '9'; c++) chars[static_cast<unsigned char>(c)] = true;
  for (char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    chars[static_cast<unsigned char>(c)] = true;
  }
  return chars;
}();

}  // namespace

char lower_letter(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool is_http_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kTokenChars[static_cast<unsigned char>(c)];
  });
}

bool same_letters(std::string_view a, std::string_view b) {
  for (size_t i = 0; i < a.size(); i++) {
    if (lower_letter(a[i]) != lower_letter(b[i])) return false;
  }
  return true;
}

bool FieldWriter::add(std::string_view name, std::string_view value) {
  uint16_t sizes[2];
  if (size() + sizeof sizes + name.size() + value.size() > kMaxFieldsBytes) {
    cut_ = true;
    return false;
  }
  sizes[0] = static_cast<uint16_t>(name.size());
  sizes[1] = static_cast<uint16_t>(value.size());
  out_->append(reinterpret_cast<const char*>(sizes), sizeof sizes);
  out_->append(name).append(value);
  return true;
}

bool next_field(std::string_view* bytes, HttpField* field) {
  uint16_t sizes[2];
  if (bytes->size() < sizeof sizes) return false;
  std::memcpy(sizes, bytes->data(), sizeof sizes);
  size_t name = sizes[0], value = sizes[1];
  if (bytes->size() - sizeof sizes < name + value) return false;
  field->name = bytes->substr(sizeof sizes, name);
  field->value = bytes->substr(sizeof sizes + name, value);
  bytes->remove_prefix(sizeof sizes + name + value);
  return true;
}

std::string_view find_field(std::string_view bytes, std::string_view lower_name) {
  HttpField field;
  while (next_field(&bytes, &field)) {
    if (equal_ignoring_case(field.name, lower_name)) return field.value;
  }
  return {};
}

}  // namespace telinject
