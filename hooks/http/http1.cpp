// HTTP/1.0 and 1.1, by http_parser: well kept, table driven, without allocation, and known to work
// on any cut of its input. It is stopped at the end of each part (header block, last chunk,
// message), so that its position there is known.
//
// It costs more than all the rest. So the usual header block that is there in one piece is read
// without it (http1_head.h), and bodies of a known length, or that end with the connection, are
// only counted; the parser's fields say what it would have found.
#include "hooks/http/framing.h"
#include "hooks/http/http1_head.h"
#include "hooks/http/http1_messages.h"
#include "hooks/http/parser_guard.h"
#include "hooks/http/pools.h"

namespace telinject::program {

namespace {

enum Event : uint8_t { kNothing, kHeadComplete, kLastChunk, kMessageComplete };

struct Parse {
  Connection& connection;
  Direction& direction;
};

Parse& parse_of(http_parser* parser) {
  return *static_cast<Parse*>(parser->data);
}

void init_parser(http_parser* parser, http_parser_type type) {
  http_parser_init(parser, type);
  parser->lenient_http_headers = 1;
  parser->allow_chunked_length = 1;
}

// ---- the parser's callbacks

int stop(http_parser* parser, Event event) {
  parse_of(parser).direction.event = event;
  http_parser_pause(parser, 1);
  return 0;
}

int on_headers_complete(http_parser* parser) {
  // What the parser would take for the end of HTTP: we know better, from the response.
  parser->upgrade = 0;
  stop(parser, kHeadComplete);
  if (parser->type != HTTP_RESPONSE) return 0;
  const Parse& parse = parse_of(parser);
  uint32_t flags = flags_to_answer(parse.connection);
  return is_bodiless(parser->status_code, flags) ? 1 : 0;
}

int on_body(http_parser* parser, const char*, size_t size) {
  parse_of(parser).direction.bytes += size;
  return 0;
}

int on_chunk_header(http_parser* parser) {
  parse_of(parser).direction.in_chunk = parser->content_length != 0;
  return parser->content_length == 0 ? stop(parser, kLastChunk) : 0;
}

int on_chunk_complete(http_parser* parser) {
  parse_of(parser).direction.in_chunk = false;
  return 0;
}

int on_message_complete(http_parser* parser) {
  return stop(parser, kMessageComplete);
}

constexpr http_parser_settings kSettings1 = {nullptr,         nullptr,
                                             nullptr,         nullptr,
                                             nullptr,         on_headers_complete,
                                             on_body,         on_message_complete,
                                             on_chunk_header, on_chunk_complete};

// Does the header block offer HTTP/2 in clear text ("Upgrade: h2c")?
bool upgrades_to_http2(const Block& block) {
  constexpr char kField[] = "upgrade:";
  constexpr size_t kLength = sizeof kField - 1;
  for (size_t i = 0; i + kLength + 3 <= block.size; i++) {
    if (i != 0 && block.data[i - 1] != '\n') continue;
    size_t n = 0;
    while (n < kLength && (block.data[i + n] | 0x20) == (kField[n] | 0x20)) n++;
    if (n < kLength) continue;
    i += kLength;
    while (i + 3 <= block.size && block.data[i] == ' ') i++;
    return i + 3 <= block.size && (block.data[i] | 0x20) == 'h' && block.data[i + 1] == '2' &&
           (block.data[i + 2] | 0x20) == 'c';
  }
  return false;
}

// ---- without the parser

// The parser behind a header block that announces chunks. Its states have no names outside, so it
// reads such a block: once, and whoever comes meanwhile does it for himself.
http_parser parser_at_chunks() {
  static std::atomic<uint32_t> state;  // 1: being made, 2: there
  static http_parser made;
  if (state.load(std::memory_order_acquire) == 2) return made;
  constexpr char kHead[] = "HTTP/1.1 200\r\nTransfer-Encoding:chunked\r\n\r\n";
  constexpr http_parser_settings kSilent = {};
  http_parser parser;
  init_parser(&parser, HTTP_RESPONSE);
  size_t taken;
  guarded_execute(&parser, &kSilent, reinterpret_cast<const uint8_t*>(kHead), sizeof kHead - 1,
                  &taken);
  uint32_t none = 0;
  if (state.compare_exchange_strong(none, 1, std::memory_order_acquire)) {
    made = parser;
    state.store(2, std::memory_order_release);
  }
  return parser;
}

// As if the parser had read this head; what it needs to read on it has only where it has to.
void set_parser(http_parser* parser, const Http1Head& head, bool bodiless) {
  if (head.chunked && !bodiless) {
    void* data = parser->data;
    *parser = parser_at_chunks();
    parser->data = data;
  }
  parser->type = static_cast<uint8_t>(head.type) & 3;
  parser->method = static_cast<uint8_t>(head.method);
  parser->status_code = head.status;
  parser->content_length = head.content_length;
  parser->uses_transfer_encoding = head.chunked ? 1 : 0;
  parser->flags =
      static_cast<uint8_t>((head.chunked ? F_CHUNKED : 0) | (bodiless ? F_SKIPBODY : 0) |
                           (head.content_length != ~uint64_t{0} ? F_CONTENTLENGTH : 0));
}

// A message begins here. False: what passes makes no sense. *taken is 0 if the parser is needed.
bool take_head(Connection& connection, Direction& direction, Way way, const uint8_t* data,
               size_t size, const Moment& now, size_t* taken) {
  *taken = 0;
  Http1Head head;
  auto type = static_cast<http_parser_type>(direction.parser.type);
  if (size > kMaxBlockBytes) size = kMaxBlockBytes;
  if (!read_http1_head(data, size, type, &head)) return true;
  bool response = head.type == HTTP_RESPONSE;
  uint32_t flags = response ? flags_to_answer(connection) : 0;
  if (response && is_upgrade(head.status, flags)) return true;
  bool bodiless = response && is_bodiless(head.status, flags);
  set_parser(&direction.parser, head, bodiless);
  *taken = head.size;
  Block block = {data, static_cast<uint32_t>(head.size - 1), false, !head.may_have_traceparent,
                 !head.may_upgrade};
  if (!head_complete(connection, direction, way, block, now)) return false;
  direction.counted = !head.chunked;
  bool ends = head.chunked ? bodiless
                           : bodiless || head.content_length == 0 ||
                                 (!response && head.content_length == ~uint64_t{0});
  if (ends) message_complete(connection, direction, now);
  return true;
}

// Of a body that is counted.
size_t take_body(Connection& connection, Direction& direction, size_t size, const Moment& now) {
  http_parser& parser = direction.parser;
  if (parser.content_length == ~uint64_t{0}) {
    direction.bytes += size;
    return size;
  }
  size_t taken = size < parser.content_length ? size : parser.content_length;
  parser.content_length -= taken;
  direction.bytes += taken;
  if (parser.content_length == 0) message_complete(connection, direction, now);
  return taken;
}

}  // namespace

size_t frame_http1(Connection& connection, Way way, const uint8_t* data, size_t size,
                   const Moment& now) {
  Direction& direction = direction_of(connection, way);
  Parse parse = {connection, direction};
  direction.parser.data = &parse;
  const uint8_t* end = data + size;
  const uint8_t* at = data;
  const uint8_t* mark = data;  // where the block that is being gathered goes on
  bool to_http2 = false;
  while (at < end) {
    if (direction.stage == Stage::kBetween) {
      if (*at == '\r' || *at == '\n') {
        at++;
        continue;
      }
      begin_message(connection, direction, way);
      mark = at;
      size_t head = 0;
      if (!take_head(connection, direction, way, at, static_cast<size_t>(end - at), now, &head)) {
        give_up(connection, now);
        return size;
      }
      at += head;
      if (head != 0) continue;
      init_parser(&direction.parser, static_cast<http_parser_type>(direction.parser.type));
    }
    if (direction.stage == Stage::kBody && direction.counted) {
      at += take_body(connection, direction, static_cast<size_t>(end - at), now);
      continue;
    }
    direction.event = kNothing;
    size_t taken = 0;
    bool sound =
        guarded_execute(&direction.parser, &kSettings1, at, static_cast<size_t>(end - at), &taken);
    if (sound && direction.event != kNothing) http_parser_pause(&direction.parser, 0);
    if (!sound || direction.parser.http_errno != HPE_OK ||
        (taken == 0 && direction.event == kNothing)) {
      give_up(connection, now);
      return size;
    }
    at += taken;
    auto part = [&] {
      return gathered(&direction.gathering, mark, static_cast<size_t>(at - mark));
    };
    switch (direction.event) {
      case kHeadComplete: {
        Block block = part();
        to_http2 = direction.parser.status_code == 101 && upgrades_to_http2(block);
        bool fits = head_complete(connection, direction, way, block, now);
        drop_gathered(&direction.gathering);
        if (!fits) {
          give_up(connection, now);
          return size;
        }
        break;
      }
      case kLastChunk:
        direction.stage = Stage::kTrailers;
        mark = at;
        break;
      case kMessageComplete: {
        if (direction.stage == Stage::kTrailers) {
          report_trailers(connection, direction, way, part());
          drop_gathered(&direction.gathering);
        }
        bool upgraded = is_upgraded(connection, direction);
        message_complete(connection, direction, now);
        if (upgraded) {
          upgrade(connection, to_http2, now);
          return static_cast<size_t>(at - data);
        }
        break;
      }
      default:
        break;
    }
  }
  if (direction.stage == Stage::kHead || direction.stage == Stage::kTrailers) {
    if (direction.start_ticks == 0) direction.start_ticks = now;
    gather(&direction.gathering, mark, static_cast<size_t>(end - mark));
  }
  return size;
}

// A body whose bytes the program never had in hand (sendfile, splice). The parser's own count is
// moved on, and the last byte, which ends the body or chunk, is played to it.
void skip_http1(Connection& connection, Way way, uint64_t size, const Moment& now) {
  Direction& direction = direction_of(connection, way);
  http_parser& parser = direction.parser;
  if (size == 0) return;
  bool chunked = (parser.flags & F_CHUNKED) != 0;
  bool in_body = direction.stage == Stage::kBody && (!chunked || direction.in_chunk);
  if (in_body && !chunked && ends_with_connection(parser)) {
    direction.bytes += size;
    return;
  }
  if (!in_body || parser.content_length == 0 || size > parser.content_length) {
    return give_up(connection, now);
  }
  parser.content_length -= size - 1;
  direction.bytes += size - 1;
  if (parser.content_length > 1) {
    parser.content_length--;
    direction.bytes++;
    return;
  }
  const uint8_t last = 0;
  frame_http1(connection, way, &last, 1, now);
}

void end_of_http1(Connection& connection, Way way, const Moment& now) {
  Direction& direction = direction_of(connection, way);
  const http_parser& parser = direction.parser;
  if (direction.stage == Stage::kBody && ends_with_connection(parser)) {
    message_complete(connection, direction, now);
  }
  // Nobody will answer what is still open.
  bool asked = connection.asked != 0 || connection.answered != 0;
  if (asked && request_way(connection) != way && connection.open.load() != 0) {
    close_http1(connection, HttpEndReason::kClosed, connection.send_error, now);
  }
}

}  // namespace telinject::program
