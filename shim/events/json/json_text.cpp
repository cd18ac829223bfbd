#include "shim/events/json/json_text.h"

#include <emmintrin.h>

#include <algorithm>
#include <cassert>

#include "shim/events/json/line_buffer.h"

namespace telinject {

namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr size_t kBlock = 16;   // bytes that are looked at together
constexpr size_t kLongest = 6;  // of what one byte becomes: \u001f
constexpr size_t kDigits = 20;  // of a number
constexpr size_t kSmallest = 512;

// How many of the 16 bytes at the start stand for themselves.
size_t plain_bytes(__m128i bytes) {
  // Signed: below 0x20 are control characters and all that is not ASCII.
  __m128i special = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
  for (char c : {'"', '\\', '\x7f'}) {
    special = _mm_or_si128(special, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
  }
  auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
  return static_cast<size_t>(__builtin_ctz(mask | 1u << kBlock));
}

// Fewer than 16 bytes, some of them twice: a text's end is copied often.
void copy_short(char* to, const char* from, size_t size) {
  if (size >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + size - 8, from + size - 8, 8);
  } else if (size >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + size - 4, from + size - 4, 4);
  } else {
    for (size_t i = 0; i < size; i++) to[i] = from[i];
  }
}

// Copies up to 16 bytes of `text`, up to the first that does not stand for itself, and takes them
// off. `out` has room for 16.
char* put_plain(char* out, std::string_view* text) {
  size_t size = std::min(text->size(), kBlock);
  char end[kBlock] = {};
  const char* from = text->data();
  if (size < kBlock) {
    copy_short(end, from, size);
    from = end;
  }
  __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
  size_t plain = std::min(plain_bytes(bytes), size);
  text->remove_prefix(plain);
  return out + plain;
}

// The length of the well-formed UTF-8 sequence at the start of `text`; 0 if there is none, and then
// *skip is how many bytes one replacement character stands for. Table 3-7 of the Unicode standard.
size_t utf8_sequence(std::string_view text, size_t* skip) {
  auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  unsigned first = at(0);
  *skip = 1;
  unsigned low = 0x80, high = 0xbf;
  size_t length;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  for (size_t i = 1; i < length; i++) {
    if (at(i) < low || at(i) > high) {
      *skip = i;
      return 0;
    }
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

// The first character of `text`, which is not plain, and takes it off.
char* put_special(char* out, std::string_view* text) {
  auto c = static_cast<unsigned char>(text->front());
  size_t length = 1;
  if (c == '"' || c == '\\') {
    *out++ = '\\';
    *out++ = static_cast<char>(c);
  } else if (c == '\n') {
    out = put(out, "\\n");
  } else if (c == '\t') {
    out = put(out, "\\t");
  } else if (c < 0x20 || c == 0x7f) {
    out = put(out, "\\u00");
    *out++ = kHex[c >> 4];
    *out++ = kHex[c & 15];
  } else {
    size_t skip;
    length = utf8_sequence(*text, &skip);
    out = put(out, length != 0 ? text->substr(0, length) : "\xef\xbf\xbd");
    if (length == 0) length = skip;
  }
  text->remove_prefix(length);
  return out;
}

}  // namespace

void JsonText::grow(size_t bytes) {
  capacity_ = std::max(2 * capacity_ + bytes, kSmallest);
  auto larger = std::make_unique_for_overwrite<char[]>(capacity_);
  if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
  bytes_ = std::move(larger);
}

JsonText& JsonText::escaped(std::string_view text) {
  char* out = room(kLongest * text.size() + kBlock);
  while (!text.empty()) {
    size_t left = text.size();
    out = put_plain(out, &text);
    if (left - text.size() < std::min(left, kBlock)) out = put_special(out, &text);
  }
  size_ = static_cast<size_t>(out - bytes_.get());
  return *this;
}

void JsonText::name_of_member(std::string_view name) {
  assert(json_escaped(name) == name);
  raw("\"").raw(name).raw("\":");
}

void JsonText::member(std::string_view name, std::string_view value) {
  name_of_member(name);
  raw("\"").escaped(value).raw("\",");
}

void JsonText::member(std::string_view name, uint64_t value) {
  name_of_member(name);
  char digits[kDigits];
  raw({digits, put_number(digits, value)}).raw(",");
}

void JsonText::member(const Attribute& attribute) {
  if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
    return member(attribute.name, *text);
  }
  if (const auto* count = std::get_if<uint64_t>(&attribute.value)) {
    return member(attribute.name, *count);
  }
  name_of_member(attribute.name);
  if (const auto* number = std::get_if<int64_t>(&attribute.value)) {
    raw(std::to_string(*number));
  } else if (const auto* truth = std::get_if<bool>(&attribute.value)) {
    raw(*truth ? "true" : "false");
  } else {
    // In milliseconds.
    int64_t us = std::get<std::chrono::microseconds>(attribute.value).count();
    std::string rest = std::to_string(us % 1000);
    raw(std::to_string(us / 1000)).raw(".").raw(std::string(3 - rest.size(), '0')).raw(rest);
  }
  raw(",");
}

void JsonText::object(std::string_view name, const NameValues& values) {
  name_of_member(name);
  raw("{");
  for (const auto& [key, value] : values) {
    raw("\"").escaped(key).raw("\":\"").escaped(value).raw("\",");
  }
  end_members();
  raw("},");
}

std::string json_escaped(std::string_view text) {
  return std::string(JsonText().escaped(text).view());
}

}  // namespace telinject
