// Numbers in the states that outputs save: in decimal, each with a character behind it.
#pragma once

#include <charconv>
#include <string_view>

namespace telinject::drain {

template <typename Number>
bool take_number(std::string_view* text, Number* number) {
  const char* end = text->data() + text->size();
  auto [at, error] = std::from_chars(text->data(), end, *number);
  if (error != std::errc() || at == end) return false;
  text->remove_prefix(static_cast<size_t>(at - text->data()) + 1);
  return true;
}

}  // namespace telinject::drain
