#include "hooks/http/http1_head.h"

#include <emmintrin.h>

namespace telinject {

namespace {

constexpr uint64_t kNoLength = ~uint64_t{0};

struct Cursor {
  const uint8_t* at;
  const uint8_t* end;
  size_t left() const { return static_cast<size_t>(end - at); }
};

unsigned first_set(int mask) {
  return static_cast<unsigned>(__builtin_ctz(static_cast<unsigned>(mask)));
}

__m128i load(const uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

__m128i is(__m128i bytes, char byte) {
  return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte));
}

// Signed, so that bytes from 0x80 on are between no two letters.
__m128i between(__m128i bytes, char first, char last) {
  return _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(static_cast<char>(first - 1))),
                       _mm_cmplt_epi8(bytes, _mm_set1_epi8(static_cast<char>(last + 1))));
}

// The first byte that is one of a kind; the end if there is none. A kind answers for 16 bytes at
// once: what is left at the end is copied, and padded with zeros, which must not be of the kind
// or lie behind the end.
template <typename Kind>
inline const uint8_t* find(const uint8_t* at, const uint8_t* end, Kind kind) {
  for (; end - at >= 16; at += 16) {
    int mask = _mm_movemask_epi8(kind(load(at)));
    if (mask != 0) return at + first_set(mask);
  }
  if (at == end) return end;
  alignas(16) uint8_t rest[16] = {};
  auto left = static_cast<size_t>(end - at);
  for (size_t i = 0; i < left; i++) rest[i] = at[i];
  int mask = _mm_movemask_epi8(kind(load(rest)));
  if (mask == 0) return end;
  unsigned first = first_set(mask);
  return first < left ? at + first : end;
}

[[gnu::always_inline]] inline __m128i ends_line(__m128i bytes) {
  return _mm_or_si128(is(bytes, '\r'), is(bytes, '\n'));
}

[[gnu::always_inline]] inline __m128i ends_name(__m128i bytes) {
  __m128i letter = between(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
  __m128i other = _mm_or_si128(is(bytes, '-'), is(bytes, '_'));
  __m128i token = _mm_or_si128(_mm_or_si128(letter, other), between(bytes, '0', '9'));
  return _mm_cmpeq_epi8(token, _mm_setzero_si128());
}

[[gnu::always_inline]] inline __m128i ends_target(__m128i bytes) {
  return _mm_cmpeq_epi8(between(bytes, 0x21, 0x7e), _mm_setzero_si128());
}

// Over the end of a line, which is here.
[[gnu::always_inline]] inline bool take_line_end(Cursor* cursor) {
  if (cursor->left() >= 2 && cursor->at[0] == '\r' && cursor->at[1] == '\n') {
    cursor->at += 2;
    return true;
  }
  if (cursor->left() >= 1 && *cursor->at == '\n') {
    cursor->at++;
    return true;
  }
  return false;
}

// Without memcmp, which would be an import.
bool take(Cursor* cursor, const char* text, size_t size) {
  if (cursor->left() < size) return false;
  for (size_t i = 0; i < size; i++) {
    if (cursor->at[i] != static_cast<uint8_t>(text[i])) return false;
  }
  cursor->at += size;
  return true;
}

bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

// "HTTP/1.x"
bool take_version(Cursor* cursor) {
  if (!take(cursor, "HTTP/1.", 7) || cursor->left() == 0 || !is_digit(*cursor->at)) return false;
  cursor->at++;
  return true;
}

struct Method {
  const char* text;
  uint8_t size;
  http_method method;
};
constexpr Method kMethods[] = {{"GET ", 4, HTTP_GET},        {"POST ", 5, HTTP_POST},
                               {"HEAD ", 5, HTTP_HEAD},      {"PUT ", 4, HTTP_PUT},
                               {"DELETE ", 7, HTTP_DELETE},  {"PATCH ", 6, HTTP_PATCH},
                               {"OPTIONS ", 8, HTTP_OPTIONS}};

bool take_method(Cursor* cursor, http_method* method) {
  for (const Method& known : kMethods) {
    if (*cursor->at != static_cast<uint8_t>(known.text[0])) continue;
    if (!take(cursor, known.text, known.size)) continue;
    *method = known.method;
    return true;
  }
  return false;
}

bool read_request_line(Cursor* cursor, Http1Head* head) {
  head->type = HTTP_REQUEST;
  if (!take_method(cursor, &head->method)) return false;
  if (cursor->left() == 0 || *cursor->at != '/') return false;
  cursor->at = find(cursor->at, cursor->end, ends_target);
  return take(cursor, " ", 1) && take_version(cursor) && take_line_end(cursor);
}

bool read_status_line(Cursor* cursor, Http1Head* head) {
  head->type = HTTP_RESPONSE;
  if (!take_version(cursor) || !take(cursor, " ", 1) || cursor->left() < 4) return false;
  const uint8_t* code = cursor->at;
  if (!is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2])) return false;
  head->status =
      static_cast<uint16_t>((code[0] - '0') * 100 + (code[1] - '0') * 10 + code[2] - '0');
  cursor->at += 3;
  if (*cursor->at != ' ' && *cursor->at != '\r' && *cursor->at != '\n') return false;
  cursor->at = find(cursor->at, cursor->end, ends_line);
  return take_line_end(cursor);
}

// `name` consists of letters, digits, '-' and '_'; so does `text`, in small letters.
bool is_name(const uint8_t* name, const char* text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if ((name[i] | 0x20) != text[i]) return false;
  }
  return true;
}

void skip_blanks(Cursor* value) {
  while (value->left() > 0 && (*value->at == ' ' || *value->at == '\t')) value->at++;
}

// 18 digits at most, which cannot overflow.
bool read_content_length(Cursor value, Http1Head* head) {
  skip_blanks(&value);
  if (head->content_length != kNoLength || value.left() == 0 || value.left() > 18) return false;
  uint64_t length = 0;
  for (; value.at < value.end; value.at++) {
    if (!is_digit(*value.at)) return false;
    length = length * 10 + (*value.at - '0');
  }
  head->content_length = length;
  return true;
}

bool read_transfer_encoding(Cursor value, Http1Head* head) {
  skip_blanks(&value);
  if (head->chunked || value.left() != 7 || !is_name(value.at, "chunked", 7)) return false;
  head->chunked = true;
  return true;
}

// What decides where the body ends.
bool read_field(const uint8_t* name, size_t size, const Cursor& value, Http1Head* head) {
  constexpr char kLength[] = "content-length", kEncoding[] = "transfer-encoding";
  constexpr size_t kLengthSize = sizeof kLength - 1, kEncodingSize = sizeof kEncoding - 1;
  constexpr size_t kTraceparentSize = 11;
  uint8_t first = *name | 0x20;
  if (first == 'c') {
    if (size != kLengthSize || !is_name(name, kLength, size)) return true;
    return read_content_length(value, head);
  }
  if (first != 't') return true;
  if (size == kTraceparentSize) head->may_have_traceparent = true;
  // A longer name that begins like this counts with the parser, too.
  if (size < kEncodingSize || !is_name(name, kEncoding, kEncodingSize)) return true;
  return size == kEncodingSize && read_transfer_encoding(value, head);
}

}  // namespace

bool read_http1_head(const uint8_t* data, size_t size, http_parser_type type, Http1Head* head) {
  *head = {};
  head->content_length = kNoLength;
  Cursor cursor = {data, data + size};
  bool response = size > 1 && data[0] == 'H' && data[1] == 'T';
  if (size == 0 || type == (response ? HTTP_REQUEST : HTTP_RESPONSE)) return false;
  if (!(response ? read_status_line(&cursor, head) : read_request_line(&cursor, head)))
    return false;
  while (!take_line_end(&cursor)) {
    const uint8_t* name = cursor.at;
    cursor.at = find(name, cursor.end, ends_name);
    auto name_size = static_cast<size_t>(cursor.at - name);
    // An empty name: a folded line, or a '\r' alone.
    if (name_size == 0 || !take(&cursor, ":", 1)) return false;
    Cursor value = {cursor.at, find(cursor.at, cursor.end, ends_line)};
    if (!read_field(name, name_size, value, head)) return false;
    cursor.at = value.end;
    if (!take_line_end(&cursor)) return false;
  }
  head->size = static_cast<size_t>(cursor.at - data);
  return !head->chunked || head->content_length == kNoLength;
}

}  // namespace telinject
