#include "hooks/http/http1_start.h"

#include "hooks/http/parser_guard.h"

namespace telinject::program {

namespace {

// No method is longer. (IANA's longest is UPDATEREDIRECTREF.)
constexpr uint8_t kMaxMethod = 64;

constexpr bool is_token(uint8_t byte) {
  if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') return true;
  if (byte >= '0' && byte <= '9') return true;
  for (char c : "!#$%&'*+-.^_`|~") {
    if (c != 0 && byte == static_cast<uint8_t>(c)) return true;
  }
  return false;
}

struct TokenCharacters {
  bool is[256] = {};
  constexpr TokenCharacters() {
    for (unsigned i = 0; i < sizeof is; i++) is[i] = is_token(static_cast<uint8_t>(i));
  }
};
constexpr TokenCharacters kTokenCharacters;

bool is_method(const HeadReader& reader, const char* name) {
  uint8_t i = 0;
  for (; name[i] != 0; i++) {
    if (i >= reader.method_bytes || reader.method[i] != static_cast<uint8_t>(name[i])) return false;
  }
  return i == reader.method_bytes;
}

// What the parser is given for the method: itself where it matters to what follows. (Icecast's
// SOURCE has a version of its own.)
const char* stand_in(const HeadReader& reader) {
  for (const char* known : {"HEAD", "CONNECT", "SOURCE"}) {
    if (is_method(reader, known)) return known;
  }
  return "GET";
}

StartLine begin_parser(http_parser* parser, http_parser_type type, const char* read_already) {
  constexpr http_parser_settings kSilent = {};
  void* data = parser->data;
  http_parser_init(parser, type);
  parser->data = data;
  parser->lenient_http_headers = 1;
  parser->allow_chunked_length = 1;
  size_t size = 0, taken = 0;
  while (read_already[size] != 0) size++;
  if (size == 0) return StartLine::kReady;
  const auto* bytes = reinterpret_cast<const uint8_t*>(read_already);
  bool sound = guarded_execute(parser, &kSilent, bytes, size, &taken);
  return sound && taken == size ? StartLine::kReady : StartLine::kNoHttp;
}

void add_to_method(HeadReader* reader, uint8_t byte) {
  if (reader->method_bytes < sizeof reader->method) reader->method[reader->method_bytes] = byte;
  reader->method_bytes++;
}

}  // namespace

bool is_token_character(uint8_t byte) {
  return kTokenCharacters.is[byte];
}

StartLine read_start_line(Connection& connection, Way way, const uint8_t** at, const uint8_t* end) {
  HeadReader& reader = connection.rest->heads[static_cast<int>(way)];
  http_parser* parser = &direction_of(connection, way).parser;
  auto type = static_cast<http_parser_type>(parser->type);
  if (type == HTTP_RESPONSE) return begin_parser(parser, type, "");
  for (; *at < end; ++*at) {
    uint8_t byte = **at;
    if (is_token_character(byte) && reader.method_bytes < kMaxMethod) {
      add_to_method(&reader, byte);
    } else if (byte == ' ' && reader.method_bytes > 0) {
      return begin_parser(parser, HTTP_REQUEST, stand_in(reader));
    } else if (byte == '/' && type == HTTP_BOTH && is_method(reader, "HTTP")) {
      return begin_parser(parser, HTTP_RESPONSE, "HTTP");
    } else {
      return StartLine::kNoHttp;
    }
  }
  return StartLine::kUnfinished;
}

}  // namespace telinject::program
