// HTTP/1.0 and 1.1, by http_parser: well kept, table driven, without allocation, and known to work
// on any cut of its input. It is stopped at the end of each part (header block, last chunk,
// message), so that its position there is known.
//
// It costs more than all the rest. So the usual header block that is there in one piece is read
// without it (http1_head.h), and bodies of a known length, or that end with the connection, are
// only counted; the parser's fields say what it would have found.
#include "hooks/http/framing.h"
#include "hooks/http/http1_head.h"
#include "hooks/http/parser_guard.h"
#include "hooks/http/pools.h"
#include "hooks/http/report.h"

namespace telinject {

namespace {

enum Event : uint8_t { kNothing, kHeadComplete, kLastChunk, kMessageComplete };

struct Parse {
  Connection& connection;
  Direction& direction;
};

Parse& parse_of(http_parser* parser) {
  return *static_cast<Parse*>(parser->data);
}

// ---- exchanges

Exchange& slot_of(Connection& connection, uint32_t number) {
  return connection.exchanges[number % kPipeline];
}

// The exchange of that number, begun now if it is not there; null if another is still there: more
// requests are waiting than we remember.
Exchange* exchange_of(Connection& connection, uint32_t number) {
  Exchange& exchange = slot_of(connection, number);
  uint32_t none = 0;
  if (exchange.number.compare_exchange_strong(none, number)) {
    connection.open.fetch_add(1, std::memory_order_relaxed);
    return &exchange;
  }
  return none == number ? &exchange : nullptr;
}

bool is_interim(uint32_t status) {
  return status / 100 == 1 && status != 101;
}

bool is_upgrade(uint32_t status, uint32_t exchange_flags) {
  return status == 101 || (status / 100 == 2 && (exchange_flags & kConnectRequest) != 0);
}

// Of the exchange that the next response answers.
uint32_t flags_to_answer(Connection& connection) {
  return slot_of(connection, connection.answered + 1).flags.load(std::memory_order_acquire);
}

// A response that has no body, whatever its header block says.
bool is_bodiless(uint32_t status, uint32_t exchange_flags) {
  return status / 100 == 1 || status == 204 || status == 304 ||
         (exchange_flags & kHeadRequest) != 0 || is_upgrade(status, exchange_flags);
}

void end_exchange(Connection& connection, Exchange& exchange, HttpEndReason reason, int error,
                  uint64_t ticks) {
  uint32_t flags = exchange.flags.load(std::memory_order_acquire);
  if ((flags & kRecorded) != 0) {
    HttpEndMessage end = {};
    bool sent = request_way(connection) == Way::kSent;
    end.ticks = ticks;
    end.sent_bytes = sent ? exchange.request_bytes : exchange.response_bytes;
    end.received_bytes = sent ? exchange.response_bytes : exchange.request_bytes;
    end.exchange = exchange.number.load();
    end.error = error;
    end.reason = reason;
    report_end(connection, &end);
  }
  exchange_over(connection, exchange);
  exchange.flags.store(0, std::memory_order_relaxed);
  exchange.request_bytes = exchange.response_bytes = exchange.response_ticks = 0;
  exchange.lane = nullptr;
  exchange.number.store(0, std::memory_order_release);
  connection.open.fetch_sub(1, std::memory_order_relaxed);
}

// Whichever side is done last ends the exchange.
void side_done(Connection& connection, Exchange& exchange, uint32_t side) {
  uint32_t before = exchange.flags.fetch_or(side, std::memory_order_acq_rel);
  if (((before | side) & (kRequestDone | kResponseDone)) != (kRequestDone | kResponseDone)) return;
  bool upgraded = (before & kUpgraded) != 0;
  end_exchange(connection, exchange, upgraded ? HttpEndReason::kUpgraded : HttpEndReason::kComplete,
               0, exchange.response_ticks);
}

// A response whose body has neither a length nor chunks.
bool ends_with_connection(const http_parser& parser) {
  return parser.type == HTTP_RESPONSE && (parser.flags & (F_SKIPBODY | F_CHUNKED)) == 0 &&
         (parser.uses_transfer_encoding != 0 || parser.content_length == ~uint64_t{0});
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

// ---- messages

void begin_message(Connection& connection, Direction& direction, Way way, uint64_t now) {
  HttpRole role = connection.role.load(std::memory_order_relaxed);
  http_parser_type type = HTTP_BOTH;
  if (connection.open.load() != 0 || connection.asked != 0 || role != HttpRole::kUnknown) {
    type = request_way(connection) == way ? HTTP_REQUEST : HTTP_RESPONSE;
  }
  http_parser_init(&direction.parser, type);
  direction.parser.lenient_http_headers = 1;
  direction.parser.allow_chunked_length = 1;
  direction.start_ticks = direction.call_ticks != 0 ? direction.call_ticks : now;
  direction.bytes = 0;
  direction.in_chunk = false;
  direction.interim = false;
  direction.counted = false;
  direction.stage = Stage::kHead;
}

bool request_begins(Connection& connection, Direction& direction, Way way, const Block& block) {
  uint32_t number = connection.asked + 1;
  Exchange* exchange = exchange_of(connection, number);
  if (exchange == nullptr) return false;
  connection.asked = number;
  direction.exchange = number;
  uint32_t flags = kAsked;
  if (direction.parser.method == HTTP_HEAD) flags |= kHeadRequest;
  if (direction.parser.method == HTTP_CONNECT) flags |= kConnectRequest;
  // Before the report: the response may be there by now.
  exchange->flags.fetch_or(flags, std::memory_order_acq_rel);
  if (report_request(connection, *exchange, way, block, direction.start_ticks)) {
    exchange->flags.fetch_or(kRecorded, std::memory_order_acq_rel);
  }
  return true;
}

bool response_begins(Connection& connection, Direction& direction, Way way, const Block& block) {
  uint32_t number = connection.answered + 1;
  Exchange* exchange = exchange_of(connection, number);
  if (exchange == nullptr) return false;
  direction.exchange = number;
  direction.interim = is_interim(direction.parser.status_code);
  uint32_t flags = exchange->flags.load(std::memory_order_acquire);
  if (is_upgrade(direction.parser.status_code, flags)) {
    exchange->flags.fetch_or(kUpgraded, std::memory_order_relaxed);
  }
  // Where another thread has sent the request and is not done with it, it may be recorded yet: the
  // drain knows what to do with a response that has no request.
  if ((flags & kAsked) == 0 || (flags & kRecorded) != 0) {
    report_response(connection, number, way, direction.interim ? kHttpInterim : 0, block,
                    direction.start_ticks);
  }
  return true;
}

// The header block is complete. False: what passes makes no sense.
bool head_complete(Connection& connection, Direction& direction, Way way, Block block) {
  bool request = direction.parser.type == HTTP_REQUEST;
  HttpRole role = request == (way == Way::kSent) ? HttpRole::kClient : HttpRole::kServer;
  if (connection.asked == 0 && connection.answered == 0) connection.role.store(role);
  if (connection.role.load() != role) return false;
  if (block.size > 0 && !block.truncated && block.data[block.size - 1] == '\r') block.size--;
  direction.stage = Stage::kBody;
  return request ? request_begins(connection, direction, way, block)
                 : response_begins(connection, direction, way, block);
}

void report_trailers(Connection& connection, Direction& direction, Way way, Block block) {
  if (block.size > 0 && block.data[block.size - 1] == '\n') block.size--;
  if (block.size > 0 && block.data[block.size - 1] == '\r') block.size--;
  const Exchange& exchange = slot_of(connection, direction.exchange);
  if (block.size == 0 || (exchange.flags.load() & kRecorded) == 0) return;
  if (direction.parser.type == HTTP_REQUEST) {
    report_request_trailers(connection, direction.exchange, way, block, direction.start_ticks);
  } else {
    report_response(connection, direction.exchange, way, kHttpTrailers, block,
                    direction.start_ticks);
  }
}

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

void message_complete(Connection& connection, Direction& direction, uint64_t now) {
  direction.stage = Stage::kBetween;
  if (direction.interim) return;
  Exchange& exchange = slot_of(connection, direction.exchange);
  uint64_t bytes = direction.bytes;
  direction.bytes = 0;
  if (direction.parser.type == HTTP_REQUEST) {
    exchange.request_bytes = bytes;
    side_done(connection, exchange, kRequestDone);
    return;
  }
  connection.answered = direction.exchange;
  exchange.response_bytes = bytes;
  exchange.response_ticks = now;
  side_done(connection, exchange, kResponseDone);
}

// After 101 and CONNECT 2xx. What is open (pipelined requests) can have no answer any more.
void upgrade(Connection& connection, bool to_http2, uint64_t now) {
  bool client = connection.role.load() == HttpRole::kClient;
  bool tunnel = connection.direction[0].parser.status_code != 101 &&
                connection.direction[1].parser.status_code != 101;
  close_http1(connection, HttpEndReason::kUpgraded, 0, now);
  if (to_http2) {
    switch_protocol(connection, Protocol::kHttp2);
  } else if (tunnel && client) {
    connection.proxied = true;
    connection.announced = false;
    switch_protocol(connection, Protocol::kUnknown);
  } else {
    switch_protocol(connection, Protocol::kOther);
  }
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
  http_parser_init(&parser, HTTP_RESPONSE);
  parser.lenient_http_headers = 1;
  parser.allow_chunked_length = 1;
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

void set_parser(http_parser* parser, const Http1Head& head, bool bodiless) {
  if (head.chunked && !bodiless) {
    void* data = parser->data;
    *parser = parser_at_chunks();
    parser->data = data;
  }
  parser->type = head.type;
  parser->method = head.method;
  parser->status_code = head.status;
  parser->content_length = head.content_length;
  parser->uses_transfer_encoding = head.chunked ? 1 : 0;
  parser->flags = (head.chunked ? F_CHUNKED : 0) | (bodiless ? F_SKIPBODY : 0) |
                  (head.content_length != ~uint64_t{0} ? F_CONTENTLENGTH : 0);
}

// A message begins here. False: what passes makes no sense. *taken is 0 if the parser is needed.
bool take_head(Connection& connection, Direction& direction, Way way, const uint8_t* data,
               size_t size, uint64_t now, size_t* taken) {
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
  Block block = {data, static_cast<uint32_t>(head.size - 1), false, !head.may_have_traceparent};
  if (!head_complete(connection, direction, way, block)) return false;
  direction.counted = !head.chunked;
  bool ends = head.chunked ? bodiless
                           : bodiless || head.content_length == 0 ||
                                 (!response && head.content_length == ~uint64_t{0});
  if (ends) message_complete(connection, direction, now);
  return true;
}

// Of a body that is counted.
size_t take_body(Connection& connection, Direction& direction, size_t size, uint64_t now) {
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
                   uint64_t now) {
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
      begin_message(connection, direction, way, now);
      mark = at;
      size_t head = 0;
      if (!take_head(connection, direction, way, at, static_cast<size_t>(end - at), now, &head)) {
        give_up(connection, now);
        return size;
      }
      at += head;
      if (head != 0) continue;
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
        bool fits = head_complete(connection, direction, way, block);
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
        bool upgraded = direction.parser.type == HTTP_RESPONSE &&
                        (slot_of(connection, direction.exchange).flags.load() & kUpgraded) != 0;
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
    gather(&direction.gathering, mark, static_cast<size_t>(end - mark));
  }
  return size;
}

// A body whose bytes the program never had in hand (sendfile, splice). The parser's own count is
// moved on, and the last byte, which ends the body or chunk, is played to it.
void skip_http1(Connection& connection, Way way, uint64_t size, uint64_t now) {
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

void end_of_http1(Connection& connection, Way way, uint64_t now) {
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

void close_http1(Connection& connection, HttpEndReason reason, int error, uint64_t now) {
  // A response that we sent and that ends with the connection is complete.
  Direction& sent = direction_of(connection, Way::kSent);
  if (reason == HttpEndReason::kClosed && sent.stage == Stage::kBody &&
      ends_with_connection(sent.parser)) {
    message_complete(connection, sent, now);
  }
  if (connection.open.load() == 0) return;
  for (uint32_t i = 0, first = connection.answered + 1; i < kPipeline; i++) {
    Exchange& exchange = slot_of(connection, first + i);
    uint32_t number = exchange.number.load();
    if (number == 0) continue;
    for (const Direction& direction : connection.direction) {
      if (direction.exchange != number || direction.stage == Stage::kBetween) continue;
      bool request = direction.parser.type == HTTP_REQUEST;
      (request ? exchange.request_bytes : exchange.response_bytes) = direction.bytes;
    }
    // An answer that came before all of the request was sent is an answer.
    uint32_t flags = exchange.flags.load();
    if ((flags & kResponseDone) == 0) {
      end_exchange(connection, exchange, reason, error, now);
    } else {
      end_exchange(connection, exchange,
                   (flags & kUpgraded) != 0 ? HttpEndReason::kUpgraded : HttpEndReason::kComplete,
                   0, exchange.response_ticks);
    }
  }
}

}  // namespace telinject
