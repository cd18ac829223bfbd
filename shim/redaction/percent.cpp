#include "shim/redaction/percent.h"

#include <algorithm>

#include "shim/redaction/characters.h"

namespace telinject::redaction {

namespace {

// Between what separates parameters, as they are written themselves.
bool ends_run(char c) {
  return is(c, kBlank | kQuote) || std::string_view("&=?#<>;,|").find(c) != kNotFound;
}

// A run is worth decoding if it holds what separates names and values, or a scheme and a word.
bool is_telling(int byte) {
  return byte >= 0 && std::string_view("=:/?&@%\"{ ").find(static_cast<char>(byte)) != kNotFound;
}

// As encodeURIComponent() does; what the run had as it is stays so.
std::string encoded(std::string_view text, std::string_view run) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "_-.~!*()";
  std::string plain(kPlain);
  for (char c : {'/', ':', '@', '+', '$'}) {
    if (run.find(c) != kNotFound) plain += c;
  }
  std::string out;
  for (char c : text) {
    if (is(c, kLetter | kDigit) || plain.find(c) != kNotFound) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

}  // namespace

std::string percent_decoded(std::string_view run) {
  std::string out;
  out.reserve(run.size());
  for (size_t i = 0; i < run.size(); i++) {
    int byte = percent_byte(run, i);
    out += byte < 0 ? run[i] : static_cast<char>(byte);
    if (byte >= 0) i += 2;
  }
  return out;
}

bool redact_encoded(std::string_view text,
                    const std::function<bool(std::string_view decoded, std::string* out)>& redact,
                    std::string* out) {
  out->clear();
  size_t copied = 0;
  std::string inner;
  for (size_t sign = text.find('%'); sign != kNotFound;) {
    size_t from = sign, to = sign;
    while (from > copied && !ends_run(text[from - 1])) from--;
    bool telling = false;
    for (; to < text.size() && !ends_run(text[to]); to++) {
      telling = telling || is_telling(percent_byte(text, to));
    }
    std::string_view run = text.substr(from, to - from);
    if (telling && redact(percent_decoded(run), &inner)) {
      out->append(text.substr(copied, from - copied)).append(encoded(inner, run));
      copied = to;
    }
    sign = text.find('%', to);
  }
  if (copied == 0) return false;
  out->append(text.substr(copied));
  return true;
}

}  // namespace telinject::redaction
