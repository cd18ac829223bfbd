// HTTP/1.0 and 1.1: finds the parts of each message.
//
// A header block that is usual and there in one piece is read by http1_head.h. Others are read by
// http_parser: well kept, table driven, without allocation, and known to work on any cut of its
// input. It is stopped behind the header block; bodies are only counted (chunks.h where they are in
// chunks), by what the parser's fields say.
#include "hooks/http/framing.h"
#include "hooks/http/given_up.h"
#include "hooks/http/http1_head.h"
#include "hooks/http/http1_messages.h"
#include "hooks/http/http1_start.h"
#include "hooks/http/parser_guard.h"
#include "hooks/http/pools.h"
#include "hooks/http/report.h"

namespace telinject::program {

namespace {

constexpr uint64_t kNoLength = ~uint64_t{0};

// Bytes that pass in one direction, and how far they are read.
struct Passing {
  Connection& connection;
  Direction& direction;
  Way way;
  const Moment& now;
  const uint8_t* at;
  const uint8_t* end;
  const uint8_t* mark;  // where the block that is being gathered goes on
  bool unread = false;  // a header block is there that does not fit
  bool upgraded = false;

  size_t left() const { return static_cast<size_t>(end - at); }
  // What was gathered of the block, and what of it has passed since.
  Block block() { return gathered(&direction.gathering, mark, static_cast<size_t>(at - mark)); }
};

// ---- the parser's callbacks

HeadReader& reader_of(http_parser* parser) {
  return *static_cast<HeadReader*>(parser->data);
}

// The parser takes a second Content-Length for an error. One that says the same is none (RFC 9110,
// section 8.6).
int on_field_name(http_parser* parser, const char*, size_t) {
  HeadReader& reader = reader_of(parser);
  if ((parser->flags & F_CONTENTLENGTH) == 0) return 0;
  if (reader.has_length && reader.length != parser->content_length) return 1;
  reader.has_length = true;
  reader.length = parser->content_length;
  parser->flags &= static_cast<uint8_t>(~F_CONTENTLENGTH);
  return 0;
}

int on_headers_complete(http_parser* parser) {
  constexpr int kError = -1;
  const HeadReader& reader = reader_of(parser);
  bool again = (parser->flags & F_CONTENTLENGTH) != 0;
  if (reader.has_length && again && reader.length != parser->content_length) return kError;
  if (reader.has_length) parser->flags |= F_CONTENTLENGTH;
  http_parser_pause(parser, 1);
  return 0;
}

constexpr http_parser_settings kSettings1 = {
    nullptr, nullptr, nullptr, on_field_name, nullptr, on_headers_complete,
    nullptr, nullptr, nullptr, nullptr};

// Does the header block agree to HTTP/2 in clear text ("Upgrade: h2c")?
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

// ---- bodies

bool is_chunked(const http_parser& parser) {
  return (parser.flags & F_CHUNKED) != 0;
}

// Behind a header block: is the message over?
bool has_no_body(const http_parser& parser) {
  if ((parser.flags & F_SKIPBODY) != 0) return true;
  if (parser.uses_transfer_encoding != 0) return false;
  return parser.content_length == 0 ||
         (parser.type == HTTP_REQUEST && parser.content_length == kNoLength);
}

// What the parser's fields say of the body from here on.
void begin_body(http_parser* parser, bool bodiless) {
  if (bodiless) parser->flags |= F_SKIPBODY;
  if (is_chunked(*parser)) {
    parser->content_length = 0;
  } else if (parser->uses_transfer_encoding != 0) {
    parser->content_length = kNoLength;
  }
}

// Takes bytes of a body that is not in chunks; returns how many.
size_t take_body(Connection& connection, Direction& direction, uint64_t size, const Moment& now) {
  http_parser& parser = direction.parser;
  if (parser.content_length == kNoLength) {
    direction.bytes += size;
    return size;
  }
  size_t taken = size < parser.content_length ? size : parser.content_length;
  parser.content_length -= taken;
  direction.bytes += taken;
  if (parser.content_length == 0) message_complete(connection, direction, now);
  return taken;
}

ChunkReader chunks_of(Direction& direction) {
  return {direction.chunk, &direction.parser.content_length, &direction.bytes};
}

// False: what passes makes no sense.
bool take_chunks(Passing* passing) {
  Direction& direction = passing->direction;
  ChunkReader chunks = chunks_of(direction);
  bool sound = true;
  passing->at += chunks.take(passing->at, passing->left(), &sound);
  direction.chunk = chunks.step;
  if (!sound) return false;
  if (chunks.step == ChunkStep::kTrailer && direction.stage == Stage::kBody) {
    direction.stage = Stage::kTrailers;
    passing->mark = passing->at;
  } else if (chunks.step == ChunkStep::kOver) {
    report_trailers(passing->connection, direction, passing->way, passing->block());
    drop_gathered(&direction.gathering);
    message_complete(passing->connection, direction, passing->now);
  }
  return true;
}

// ---- header blocks

// As if the parser had read this head.
void set_parser(http_parser* parser, const Http1Head& head, bool bodiless) {
  parser->type = static_cast<uint8_t>(head.type) & 3;
  parser->method = static_cast<uint8_t>(head.method);
  parser->status_code = head.status;
  parser->content_length = head.chunked ? 0 : head.content_length;
  parser->uses_transfer_encoding = head.chunked ? 1 : 0;
  parser->flags =
      static_cast<uint8_t>((head.chunked ? F_CHUNKED : 0) | (bodiless ? F_SKIPBODY : 0) |
                           (head.content_length != kNoLength ? F_CONTENTLENGTH : 0));
}

// A message begins here. The usual header block, in one piece: *taken bytes, 0 if the parser is
// needed. False: what passes makes no sense.
bool take_usual_head(Connection& connection, Direction& direction, Way way, const uint8_t* data,
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
  direction.chunk = {};
  *taken = head.size;
  Block block = {data, static_cast<uint32_t>(head.size - 1), false, !head.may_have_traceparent,
                 !head.may_upgrade};
  if (!head_complete(connection, direction, way, block, now)) return false;
  bool ends = head.chunked ? bodiless
                           : bodiless || head.content_length == 0 ||
                                 (!response && head.content_length == kNoLength);
  if (ends) message_complete(connection, direction, now);
  return true;
}

// The header block is there. False: what passes makes no sense.
bool take_block(Passing* passing, const Block& block, bool bodiless) {
  Connection& connection = passing->connection;
  Direction& direction = passing->direction;
  begin_body(&direction.parser, bodiless);
  direction.chunk = {};
  if (!head_complete(connection, direction, passing->way, block, passing->now)) {
    passing->unread = true;
    return false;
  }
  if (!has_no_body(direction.parser)) return true;
  passing->upgraded = is_upgraded(connection, direction);
  message_complete(connection, direction, passing->now);
  return true;
}

// "Content-Length: 3, 3" is the same as two fields (RFC 9110, section 5.3). The parser has stopped
// at the comma.
bool take_comma(Passing* passing) {
  constexpr char kAnother[] = "\r\nContent-Length:";
  http_parser& parser = passing->direction.parser;
  if (passing->at == passing->end || *passing->at != ',') return false;
  parser.http_errno = HPE_OK;
  size_t taken = 0;
  const auto* bytes = reinterpret_cast<const uint8_t*>(kAnother);
  passing->at++;
  return guarded_execute(&parser, &kSettings1, bytes, sizeof kAnother - 1, &taken) &&
         parser.http_errno == HPE_OK;
}

// The rest of the bytes, or the header block, by the parser. False: what passes makes no sense.
bool take_head(Passing* passing) {
  Direction& direction = passing->direction;
  http_parser& parser = direction.parser;
  parser.data = &passing->connection.rest->heads[static_cast<int>(passing->way)];
  size_t taken = 0;
  if (!guarded_execute(&parser, &kSettings1, passing->at, passing->left(), &taken)) return false;
  passing->at += taken;
  if (parser.http_errno == HPE_OK) return passing->at == passing->end;
  if (parser.http_errno == HPE_INVALID_CONTENT_LENGTH) return take_comma(passing);
  if (parser.http_errno != HPE_PAUSED || parser.http_major == 0) return false;
  Block block = passing->block();
  passing->at++;  // the line feed that the parser stopped at
  bool response = parser.type == HTTP_RESPONSE;
  uint32_t status = parser.status_code;
  bool bodiless = response && is_bodiless(status, flags_to_answer(passing->connection));
  direction.to_http2 = response && status == 101 && upgrades_to_http2(block);
  bool sound = take_block(passing, block, bodiless);
  drop_gathered(&direction.gathering);
  return sound;
}

// The parser is needed.
void begin_start_line(Connection& connection, Way way) {
  direction_of(connection, way).stage = Stage::kStart;
  connection.rest->heads[static_cast<int>(way)] = {};
}

// The start line, as far as the parser does not read it.
bool take_start(Passing* passing) {
  StartLine line = read_start_line(passing->connection, passing->way, &passing->at, passing->end);
  if (line == StartLine::kReady) passing->direction.stage = Stage::kHead;
  return line != StartLine::kNoHttp;
}

// What is not usual. False: what passes makes no sense.
bool take_part(Passing* passing) {
  switch (passing->direction.stage) {
    case Stage::kStart:
      return take_start(passing);
    case Stage::kHead:
      return take_head(passing);
    case Stage::kBody:
    case Stage::kTrailers:
      return take_chunks(passing);
    case Stage::kBetween:
      break;
  }
  return false;
}

// A request whose header block makes no sense, or does not fit (`whole`: all of it has passed), is
// counted as unread. A connection that begins with one is HTTP all the same.
void give_up_here(Connection& connection, Way way, bool whole, const Moment& now) {
  const Direction& direction = direction_of(connection, way);
  bool known = whole || (direction.stage == Stage::kHead && direction.parser.http_major == 1);
  if (known && direction.parser.type == HTTP_REQUEST) {
    if (connection.asked == 0 && connection.answered == 0) {
      connection.asked = 1;
      connection.role.store(way == Way::kSent ? HttpRole::kClient : HttpRole::kServer);
    }
    report_unread_exchange(connection);
  }
  give_up(connection, now);
}

// Where it is read on. The protocol may be another one then.
[[gnu::noinline]] const uint8_t* take_unusual(Connection& connection, Way way, const uint8_t* at,
                                              const uint8_t* end, const uint8_t** mark,
                                              const Moment& now) {
  Direction& direction = direction_of(connection, way);
  Passing passing = {connection, direction, way, now, at, end, *mark};
  if (!take_part(&passing)) {
    give_up_here(connection, way, passing.unread, now);
    return end;
  }
  *mark = passing.mark;
  if (passing.upgraded) upgrade(connection, direction.to_http2, now);
  return passing.at;
}

}  // namespace

size_t frame_http1(Connection& connection, Way way, const uint8_t* data, size_t size,
                   const Moment& now) {
  Direction& direction = direction_of(connection, way);
  const uint8_t* end = data + size;
  const uint8_t* at = data;
  const uint8_t* mark = data;
  while (at < end) {
    auto left = static_cast<size_t>(end - at);
    if (direction.stage == Stage::kBetween) {
      if (*at == '\r' || *at == '\n') {
        at++;
        continue;
      }
      begin_message(connection, direction, way);
      mark = at;
      size_t head = 0;
      if (!take_usual_head(connection, direction, way, at, left, now, &head)) {
        give_up_here(connection, way, head != 0, now);
        return size;
      }
      at += head;
      if (head == 0) begin_start_line(connection, way);
    } else if (direction.stage == Stage::kBody && !is_chunked(direction.parser)) {
      at += take_body(connection, direction, left, now);
    } else {
      at = take_unusual(connection, way, at, end, &mark, now);
      if (connection.protocol.load(std::memory_order_relaxed) != Protocol::kHttp1) {
        return static_cast<size_t>(at - data);
      }
    }
  }
  if (direction.stage != Stage::kBetween && direction.stage != Stage::kBody) {
    if (direction.start_ticks == 0) direction.start_ticks = now;
    gather(&direction.gathering, mark, static_cast<size_t>(end - mark));
  }
  return static_cast<size_t>(at - data);
}

// A body whose bytes the program never had in hand (sendfile, splice).
void skip_http1(Connection& connection, Way way, uint64_t size, const Moment& now) {
  Direction& direction = direction_of(connection, way);
  if (size == 0) return;
  bool taken = false;
  if (direction.stage == Stage::kBody && is_chunked(direction.parser)) {
    ChunkReader chunks = chunks_of(direction);
    taken = chunks.skip(size);
    direction.chunk = chunks.step;
  } else if (direction.stage == Stage::kBody) {
    taken = take_body(connection, direction, size, now) == size;
  }
  if (!taken) give_up(connection, now);
}

void end_of_http1(Connection& connection, Way way, const Moment& now) {
  Direction& direction = direction_of(connection, way);
  const http_parser& parser = direction.parser;
  if (direction.stage == Stage::kBody && ends_with_connection(parser)) {
    message_complete(connection, direction, now);
  }
  // What is still open will not be answered.
  bool asked = connection.asked != 0 || connection.answered != 0;
  if (asked && request_way(connection) != way && connection.open.load() != 0) {
    close_http1(connection, HttpEndReason::kClosed, connection.send_error, now);
  }
}

}  // namespace telinject::program
