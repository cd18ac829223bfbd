#include "shim/events/json/json_text.h"

#include <emmintrin.h>

#include <algorithm>
#include <cassert>

#include "shim/events/json/line_buffer.h"
#include "shim/events/utf8.h"

namespace telinject {

namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr size_t kVector = 16;  // bytes that are looked at together
constexpr size_t kLongest = 6;  // of what one byte becomes: \u001f
constexpr size_t kSmallest = 512;

// How many of the 16 bytes at the start stand for themselves.
size_t plain_bytes(__m128i bytes) {
  // Signed: below 0x20 are control characters and all that is not ASCII.
  __m128i special = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
  for (char c : {'"', '\\', '\x7f'}) {
    special = _mm_or_si128(special, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
  }
  auto mask = static_cast<unsigned>(_mm_movemask_epi8(special));
  return static_cast<size_t>(__builtin_ctz(mask | 1u << kVector));
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
  size_t size = std::min(text->size(), kVector);
  char end[kVector] = {};
  const char* from = text->data();
  if (size < kVector) {
    copy_short(end, from, size);
    from = end;
  }
  __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
  size_t plain = std::min(plain_bytes(bytes), size);
  text->remove_prefix(plain);
  return out + plain;
}

char* put_escape(char* out, unsigned code) {
  out = put(out, "\\u");
  for (int shift = 12; shift >= 0; shift -= 4) *out++ = kHex[code >> shift & 15];
  return out;
}

// A terminal would act on it: C1, ends of lines, marks and overrides of direction. 0 if it would
// not. JSON does not ask for their escape, but events may go to a terminal.
unsigned acts_on_terminals(std::string_view sequence) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 2 && at(0) == 0xc2 && at(1) <= 0x9f) return at(1);
  if (sequence.size() == 2 && at(0) == 0xd8 && at(1) == 0x9c) return 0x61c;
  if (sequence.size() != 3 || at(0) != 0xe2 || (at(1) != 0x80 && at(1) != 0x81)) return 0;
  unsigned code = 0x2000u | (at(1) & 0x3fu) << 6 | (at(2) & 0x3fu);
  bool acts = (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
              (code >= 0x2060 && code <= 0x206f);
  return acts ? code : 0;
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
    out = put_escape(out, c);
  } else {
    size_t skip;
    length = utf8_sequence(*text, &skip);
    std::string_view sequence = text->substr(0, length);
    if (unsigned code = length != 0 ? acts_on_terminals(sequence) : 0; code != 0) {
      out = put_escape(out, code);
    } else {
      out = put(out, length != 0 ? sequence : "\xef\xbf\xbd");
    }
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
  char* out = room(kLongest * text.size() + kVector);
  while (!text.empty()) {
    size_t left = text.size();
    out = put_plain(out, &text);
    if (left - text.size() < std::min(left, kVector)) out = put_special(out, &text);
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
  char digits[kNumberBytes];
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

// Only within strings can JSON have such characters, so they are found without a look at the rest.
std::string with_terminal_escapes(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  while (!json.empty()) {
    size_t skip = 1, length = utf8_sequence(json, &skip);
    std::string_view sequence = json.substr(0, length == 0 ? skip : length);
    unsigned code = sequence == "\x7f" ? 0x7fu : acts_on_terminals(sequence);
    char escape[kLongest];
    if (code != 0) {
      text.append(escape, put_escape(escape, code));
    } else {
      text.append(sequence);
    }
    json.remove_prefix(sequence.size());
  }
  return text;
}

std::string json_escaped(std::string_view text) {
  return std::string(JsonText().escaped(text).view());
}

}  // namespace telinject
