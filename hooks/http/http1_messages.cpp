#include "hooks/http/http1_messages.h"

#include "hooks/http/framing.h"
#include "hooks/http/report.h"
#include "hooks/http/single_thread_atomics.h"
#include "hooks/http/unsampled_responses.h"

namespace telinject::program {

namespace {

// Requests that come one after the other use the same place.
Exchange& exchange_at(Connection& connection, uint32_t number) {
  uint32_t place = (number - connection.first_open.load(std::memory_order_acquire)) % kPipeline;
  return place == 0 ? connection.exchange : connection.rest->exchanges[place - 1];
}

// Answered in HTTP/2, on its first stream (RFC 7540, section 3.2). The drain is told of one that is
// not recorded, too: it will see the stream's header blocks.
constexpr uint32_t kUpgradedStream = 1;

void end_exchange(Connection& connection, Exchange& exchange, HttpEndReason reason, int error,
                  uint64_t ticks) {
  uint32_t flags = exchange.flags.load(std::memory_order_acquire);
  if ((flags & (kRecorded | kToHttp2)) != 0) {
    HttpEndMessage end = {};
    bool sent = request_way(connection) == Way::kSent;
    // 0: its request was recorded after its response had passed, by another thread.
    end.ticks = ticks != 0 ? ticks : read_ticks();
    end.sent_bytes = sent ? exchange.request_bytes : exchange.response_bytes;
    end.received_bytes = sent ? exchange.response_bytes : exchange.request_bytes;
    end.exchange = exchange.number.load();
    if ((flags & kToHttp2) != 0) end.stream = kUpgradedStream;
    end.error = error;
    end.reason = reason;
    report_end(connection, &end);
  }
  exchange_over(connection, exchange);
  exchange.flags.store(0, std::memory_order_relaxed);
  exchange.request_bytes = exchange.response_bytes = exchange.response_ticks = 0;
  exchange.lane = nullptr;
  exchange.number.store(0, std::memory_order_release);
  single_thread_atomics::fetch_add(&connection.open, ~0u);
}

// Whichever side is done last ends the exchange.
void side_done(Connection& connection, Exchange& exchange, uint32_t side) {
  uint32_t before = single_thread_atomics::fetch_or(&exchange.flags, side);
  if (((before | side) & (kRequestDone | kResponseDone)) != (kRequestDone | kResponseDone)) return;
  bool upgraded = (before & kUpgraded) != 0;
  end_exchange(connection, exchange, upgraded ? HttpEndReason::kUpgraded : HttpEndReason::kComplete,
               0, exchange.response_ticks);
}

// Its request was asked for, and was not to be recorded.
bool is_left_out(uint32_t exchange_flags) {
  return (exchange_flags & (kAsked | kRecorded)) == kAsked;
}

bool is_interim(uint32_t status) {
  return status / 100 == 1 && status != 101;
}

// When the message began whose head is complete. The clock is read if a report asks.
Moment start_of(const Direction& direction, const Moment& now) {
  return direction.start_ticks != 0 ? Moment(direction.start_ticks) : now;
}

bool request_begins(Connection& connection, Direction& direction, Way way, const Block& block,
                    const Moment& now) {
  uint32_t number = connection.asked + 1;
  uint32_t flags = kAsked;
  if (direction.parser.method == HTTP_HEAD) flags |= kHeadRequest;
  if (direction.parser.method == HTTP_CONNECT) flags |= kConnectRequest;
  if (!see_pipelining(connection, number)) return false;
  HttpContext chosen = {};
  Lane* lane = nullptr;
  if (way == Way::kReceived && may_be_bare(connection, block)) {
    direction.bare = takes_unrecorded(block, &chosen, &lane);
    if (direction.bare) {
      begin_bare(connection, number, flags | kRequestDone, lane);
      return true;
    }
  }
  Exchange* exchange = exchange_of(connection, number);
  if (exchange == nullptr) return false;
  connection.asked = number;
  direction.exchange = number;
  // Before the report: the response may be there by now.
  single_thread_atomics::fetch_or(&exchange->flags, flags);
  Moment start = start_of(direction, now);
  const HttpContext* known = chosen.trace.valid != 0 ? &chosen : nullptr;
  if (report_request(connection, *exchange, way, block, start, known)) {
    direction.start_ticks = start;
    single_thread_atomics::fetch_or(&exchange->flags, kRecorded);
  }
  return true;
}

// A response to a request that passed where we did not look: before this process had the
// connection. What comes next has nothing to do with it. (What a client receives may be here before
// we know of its request; what a server sends cannot.)
bool is_of_unseen_request(const Connection& connection) {
  return connection.role.load(std::memory_order_relaxed) == HttpRole::kServer &&
         connection.asked == 0 && connection.answered == 0 &&
         connection.open.load(std::memory_order_acquire) == 0 &&
         connection.bare.load(std::memory_order_relaxed) == 0;
}

bool response_begins(Connection& connection, Direction& direction, Way way, const Block& block,
                     const Moment& now) {
  uint32_t number = connection.answered + 1;
  Exchange* exchange = exchange_of(connection, number);
  if (exchange == nullptr) return false;
  direction.exchange = number;
  direction.interim = is_interim(direction.parser.status_code);
  uint32_t flags = exchange->flags.load(std::memory_order_acquire);
  uint16_t told = direction.interim ? kHttpInterim : 0;
  if (is_upgrade(direction.parser.status_code, flags)) {
    // Where the request is not over, what follows it cannot be told from its body.
    direction.to_http2 = direction.to_http2 && (flags & kRequestDone) != 0;
    if (direction.to_http2) told = kHttpInterim;
    single_thread_atomics::fetch_or(&exchange->flags,
                                    direction.to_http2 ? kUpgraded | kToHttp2 : kUpgraded);
  }
  // Where another thread has sent the request and is not done with it, it may be recorded yet: the
  // drain knows what to do with a response that has no request.
  if (!is_left_out(flags)) {
    direction.start_ticks = start_of(direction, now);
    report_response(connection, number, way, told, block, direction.start_ticks);
  }
  return true;
}

}  // namespace

bool is_open_exchange(Connection& connection, uint32_t number) {
  return exchange_at(connection, number).number.load(std::memory_order_acquire) == number;
}

Exchange* exchange_of(Connection& connection, uint32_t number) {
  // Where none is open as many were answered as were asked for: whichever side begins the next, it
  // is of this number, and the other cannot be past it.
  if (connection.open.load(std::memory_order_acquire) == 0) {
    connection.first_open.store(number, std::memory_order_release);
  }
  Exchange& exchange = exchange_at(connection, number);
  uint32_t none = 0;
  if (single_thread_atomics::compare_exchange(&exchange.number, &none, number)) {
    single_thread_atomics::fetch_add(&connection.open, 1);
    return &exchange;
  }
  return none == number ? &exchange : nullptr;
}

bool sends_unrecorded(Connection& connection) {
  if (connection.protocol.load(std::memory_order_relaxed) != Protocol::kHttp1) return false;
  const Direction& direction = direction_of(connection, Way::kSent);
  if (direction.stage == Stage::kBody) return true;
  if (is_unread(connection) || connection.bare.load(std::memory_order_relaxed) != 0) return true;
  return connection.role.load(std::memory_order_relaxed) == HttpRole::kServer &&
         is_left_out(flags_to_answer(connection));
}

bool is_upgrade(uint32_t status, uint32_t exchange_flags) {
  return status == 101 || (status / 100 == 2 && (exchange_flags & kConnectRequest) != 0);
}

uint32_t flags_to_answer(Connection& connection) {
  return exchange_at(connection, connection.answered + 1).flags.load(std::memory_order_acquire);
}

bool is_bodiless(uint32_t status, uint32_t exchange_flags) {
  return status / 100 == 1 || status == 204 || status == 304 ||
         (exchange_flags & kHeadRequest) != 0 || is_upgrade(status, exchange_flags);
}

bool ends_with_connection(const http_parser& parser) {
  return parser.type == HTTP_RESPONSE && (parser.flags & (F_SKIPBODY | F_CHUNKED)) == 0 &&
         (parser.uses_transfer_encoding != 0 || parser.content_length == ~uint64_t{0});
}

void begin_message(Connection& connection, Direction& direction, Way way) {
  HttpRole role = connection.role.load(std::memory_order_relaxed);
  http_parser_type type = HTTP_BOTH;
  if (connection.open.load() != 0 || connection.asked != 0 || role != HttpRole::kUnknown) {
    type = request_way(connection) == way ? HTTP_REQUEST : HTTP_RESPONSE;
  }
  direction.parser.type = static_cast<uint8_t>(type) & 3;
  direction.start_ticks = direction.call_ticks;
  direction.bytes = 0;
  direction.interim = false;
  direction.stage = Stage::kHead;
}

bool head_complete(Connection& connection, Direction& direction, Way way, Block block,
                   const Moment& now) {
  bool request = direction.parser.type == HTTP_REQUEST;
  HttpRole role = request == (way == Way::kSent) ? HttpRole::kClient : HttpRole::kServer;
  if (connection.asked == 0 && connection.answered == 0) connection.role.store(role);
  if (connection.role.load() != role) return false;
  if (block.size > 0 && !block.truncated && block.data[block.size - 1] == '\r') block.size--;
  direction.stage = Stage::kBody;
  direction.bare = !request && is_of_unseen_request(connection);
  if (direction.bare) return true;
  return request ? request_begins(connection, direction, way, block, now)
                 : response_begins(connection, direction, way, block, now);
}

void report_trailers(Connection& connection, Direction& direction, Way way, Block block) {
  if (block.size > 0 && block.data[block.size - 1] == '\n') block.size--;
  if (block.size > 0 && block.data[block.size - 1] == '\r') block.size--;
  const Exchange& exchange = exchange_at(connection, direction.exchange);
  if (block.size == 0 || direction.bare || (exchange.flags.load() & kRecorded) == 0) return;
  if (direction.parser.type == HTTP_REQUEST) {
    report_request_trailers(connection, direction.exchange, way, block, direction.start_ticks);
  } else {
    report_response(connection, direction.exchange, way, kHttpTrailers, block,
                    direction.start_ticks);
  }
}

void message_complete(Connection& connection, Direction& direction, const Moment& now) {
  direction.stage = Stage::kBetween;
  if (direction.interim) return;
  if (direction.bare) {
    direction.bare = false;
    return;
  }
  Exchange& exchange = exchange_at(connection, direction.exchange);
  uint64_t bytes = direction.bytes;
  direction.bytes = 0;
  if (direction.parser.type == HTTP_REQUEST) {
    exchange.request_bytes = bytes;
    side_done(connection, exchange, kRequestDone);
    return;
  }
  connection.answered = direction.exchange;
  exchange.response_bytes = bytes;
  if (!is_left_out(exchange.flags.load())) exchange.response_ticks = now;
  side_done(connection, exchange, kResponseDone);
}

bool is_upgraded(Connection& connection, const Direction& direction) {
  return direction.parser.type == HTTP_RESPONSE &&
         (exchange_at(connection, direction.exchange).flags.load() & kUpgraded) != 0;
}

void upgrade(Connection& connection, bool to_http2, const Moment& now) {
  bool client = connection.role.load() == HttpRole::kClient;
  bool tunnel = connection.direction[0].parser.status_code != 101 &&
                connection.direction[1].parser.status_code != 101;
  close_http1(connection, HttpEndReason::kUpgraded, 0, now);
  if (to_http2) {
    switch_protocol(connection, Protocol::kHttp2);
    frame_of(connection, request_way(connection)).opened = kUpgradedStream;
  } else if (tunnel && client) {
    connection.proxied = true;
    connection.announced = false;
    switch_protocol(connection, Protocol::kUnknown);
  } else {
    switch_protocol(connection, Protocol::kOther);
  }
}

void close_http1(Connection& connection, HttpEndReason reason, int error, const Moment& now) {
  // A response that we sent and that ends with the connection is complete.
  Direction& sent = direction_of(connection, Way::kSent);
  if (reason == HttpEndReason::kClosed && sent.stage == Stage::kBody &&
      ends_with_connection(sent.parser)) {
    message_complete(connection, sent, now);
  }
  answer_bare(connection);
  if (connection.open.load() == 0) return;
  // It was answered by something else than HTTP.
  if (sent.astray && reason == HttpEndReason::kClosed) reason = HttpEndReason::kUnparsed;
  for (uint32_t i = 0, first = connection.answered + 1; i < kPipeline; i++) {
    Exchange& exchange = exchange_at(connection, first + i);
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

}  // namespace telinject::program
