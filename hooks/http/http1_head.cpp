#include "hooks/http/http1_head.h"

#include <emmintrin.h>

namespace telinject::program {

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

// What is shorter is left to the parser, so that the last bytes can always be loaded at once.
constexpr size_t kLoad = sizeof(__m128i);

// The first byte that is one of a kind; the end if there is none. A kind answers for 16 bytes at
// once: at the end these are the last 16, of which some lie before `at`.
template <typename Kind>
[[gnu::always_inline]] inline const uint8_t* find(const uint8_t* at, const uint8_t* end,
                                                  Kind kind) {
  for (; static_cast<size_t>(end - at) >= kLoad; at += kLoad) {
    int mask = _mm_movemask_epi8(kind(load(at)));
    if (mask != 0) return at + first_set(mask);
  }
  int mask = _mm_movemask_epi8(kind(load(end - kLoad))) >> (kLoad - static_cast<size_t>(end - at));
  return mask != 0 ? at + first_set(mask) : end;
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

// Finds the end of a usual name: no digit, no '_'.
[[gnu::always_inline]] inline __m128i ends_usual_name(__m128i bytes) {
  __m128i letter = between(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
  return _mm_cmpeq_epi8(_mm_or_si128(letter, is(bytes, '-')), _mm_setzero_si128());
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

uint64_t word_at(const void* at) {
  uint64_t word;
  __builtin_memcpy(&word, at, sizeof word);
  return word;
}

// Without memcmp, which would be an import.
bool equal(const uint8_t* bytes, const char* text, size_t size, uint64_t ignored_bits) {
  constexpr size_t kWord = sizeof(uint64_t);
  if (size < kWord) {
    for (size_t i = 0; i < size; i++) {
      auto ignored = static_cast<uint8_t>(ignored_bits);
      if ((bytes[i] | ignored) != (static_cast<uint8_t>(text[i]) | ignored)) return false;
    }
    return true;
  }
  // The last word lies over the one before.
  for (size_t i = 0; i < size; i += kWord) {
    size_t at = i + kWord <= size ? i : size - kWord;
    if (((word_at(bytes + at) ^ word_at(text + at)) & ~ignored_bits) != 0) return false;
  }
  return true;
}

bool take(Cursor* cursor, const char* text, size_t size) {
  if (cursor->left() < size || !equal(cursor->at, text, size, 0)) return false;
  cursor->at += size;
  return true;
}

bool take(Cursor* cursor, char byte) {
  if (cursor->left() == 0 || *cursor->at != static_cast<uint8_t>(byte)) return false;
  cursor->at++;
  return true;
}

bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

// "HTTP/1.x"
bool take_version(Cursor* cursor) {
  constexpr uint64_t kVersion = 0x2e312f50545448;  // "HTTP/1." in its low 7 bytes
  constexpr uint64_t kSevenBytes = (uint64_t{1} << 56) - 1;
  if (cursor->left() < sizeof(uint64_t)) return false;
  uint64_t word = word_at(cursor->at);
  if ((word & kSevenBytes) != kVersion || !is_digit(static_cast<uint8_t>(word >> 56))) return false;
  cursor->at += sizeof word;
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
  return take(cursor, ' ') && take_version(cursor) && take_line_end(cursor);
}

bool read_status_line(Cursor* cursor, Http1Head* head) {
  head->type = HTTP_RESPONSE;
  if (!take_version(cursor) || !take(cursor, ' ') || cursor->left() < 4) return false;
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
  constexpr uint64_t kSmallLetters = 0x2020202020202020;
  return equal(name, text, size, kSmallLetters);
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
  constexpr size_t kTraceparentSize = 11, kUpgradeSize = 7;
  uint8_t first = *name | 0x20;
  if (first == 'c') {
    if (size != kLengthSize || !is_name(name, kLength, size)) return true;
    return read_content_length(value, head);
  }
  if (first == 'u' && size == kUpgradeSize) head->may_upgrade = true;
  if (first != 't') return true;
  if (size == kTraceparentSize) head->may_have_traceparent = true;
  // A longer name that begins like this counts with the parser, too.
  if (size < kEncodingSize || !is_name(name, kEncoding, kEncodingSize)) return true;
  return size == kEncodingSize && read_transfer_encoding(value, head);
}

struct Field {
  const uint8_t* name;
  const uint8_t* colon;
  const uint8_t* end;  // of the value, where the line ends
};

// False: there is no name, or no ':' behind it: a folded line, a '\r' alone.
[[gnu::always_inline]] inline bool find_field(const Cursor& cursor, Field* field) {
  const uint8_t* name = cursor.at;
  field->name = name;
  // One load finds the end of a usual name, and often that of the line.
  if (cursor.left() >= kLoad) {
    __m128i bytes = load(name);
    int stops = _mm_movemask_epi8(ends_usual_name(bytes));
    field->colon = stops != 0 ? name + first_set(stops) : name;
    if (stops != 0 && field->colon != name && *field->colon == ':') {
      int ends = _mm_movemask_epi8(ends_line(bytes));
      field->end = ends != 0 ? name + first_set(ends) : find(name + kLoad, cursor.end, ends_line);
      return true;
    }
  }
  field->colon = find(name, cursor.end, ends_name);
  if (field->colon == name || field->colon == cursor.end || *field->colon != ':') return false;
  field->end = find(field->colon, cursor.end, ends_line);
  return true;
}

}  // namespace

bool read_http1_head(const uint8_t* data, size_t size, http_parser_type type, Http1Head* head) {
  *head = {};
  head->content_length = kNoLength;
  if (size < kLoad) return false;
  Cursor cursor = {data, data + size};
  bool response = data[0] == 'H' && data[1] == 'T';
  if (type == (response ? HTTP_REQUEST : HTTP_RESPONSE)) return false;
  if (!(response ? read_status_line(&cursor, head) : read_request_line(&cursor, head)))
    return false;
  while (!take_line_end(&cursor)) {
    Field field;
    if (!find_field(cursor, &field)) return false;
    auto name_size = static_cast<size_t>(field.colon - field.name);
    if (!read_field(field.name, name_size, {field.colon + 1, field.end}, head)) return false;
    cursor.at = field.end;
    if (!take_line_end(&cursor)) return false;
  }
  head->size = static_cast<size_t>(cursor.at - data);
  return !head->chunked || head->content_length == kNoLength;
}

}  // namespace telinject::program
