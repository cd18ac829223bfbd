#include "shim/channel/printable.h"

#include <cstdint>

namespace telinject {

namespace {

struct Character {
  uint32_t code;
  size_t bytes;  // 0: not UTF-8
};

// Neither longer than needed, nor half a surrogate pair, nor beyond the last plane.
Character character_at(const unsigned char* text, size_t bytes) {
  unsigned first = text[0];
  if (first < 0x80) return {first, 1};
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || length > bytes) return {first, 0};
  uint32_t code = first & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xc0) != 0x80) return {first, 0};
    code = code << 6 | (text[i] & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  bool good = code >= kLeast[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return good ? Character{code, length} : Character{first, 0};
}

struct Range {
  uint32_t first, last;
};
constexpr Range kEscaped[] = {
    {0x00, 0x1f},        // C0
    {0x7f, 0x9f},        // DEL and C1
    {0xad, 0xad},        // soft hyphen
    {0x61c, 0x61c},      // a mark of direction
    {0x180e, 0x180e},    // without width
    {0x200b, 0x200f},    // without width, and marks of direction
    {0x2028, 0x202e},    // ends of lines and paragraphs; embeddings and overrides of direction
    {0x2060, 0x206f},    // without width; isolates of direction
    {0xfeff, 0xfeff},    // byte order mark
    {0xfff9, 0xfffb},    // annotations
    {0xe0000, 0xe0fff},  // tags and variations, which show nothing
};

bool is_escaped(uint32_t code) {
  for (const Range& range : kEscaped) {
    if (code >= range.first && code <= range.last) return true;
  }
  return false;
}

const char* short_escape(uint32_t code) {
  return code == '\n' ? "\\n" : code == '\r' ? "\\r" : code == '\t' ? "\\t" : nullptr;
}

}  // namespace

PrintableStep make_printable(const char* text, size_t bytes, char (&out)[kPrintableBytes]) {
  Character c = character_at(reinterpret_cast<const unsigned char*>(text), bytes);
  size_t taken = c.bytes == 0 ? 1 : c.bytes, made = 0;
  auto put = [&](char byte) { out[made++] = byte; };
  if (c.bytes != 0 && !is_escaped(c.code)) {
    while (made < taken) put(text[made]);
    return {taken, made};
  }
  if (const char* escape = short_escape(c.code)) {
    put(escape[0]);
    put(escape[1]);
    return {taken, made};
  }
  bool byte = c.bytes <= 1;  // as it is, or not UTF-8
  int digits = byte ? 2 : c.code > 0xffff ? 8 : 4;
  put('\\');
  put(byte ? 'x' : digits == 8 ? 'U' : 'u');
  while (digits-- > 0) put("0123456789abcdef"[c.code >> 4 * digits & 15]);
  return {taken, made};
}

bool add_printable(TextBuffer* out, const char* text, size_t bytes) {
  char made[kPrintableBytes];
  while (bytes > 0) {
    PrintableStep step = make_printable(text, bytes, made);
    if (out->left() < step.made) return false;
    out->add(made, step.made);
    text += step.taken;
    bytes -= step.taken;
  }
  return true;
}

}  // namespace telinject
