#include "shim/drain/spans/http_spans.h"

#include <algorithm>
#include <cstring>

#include "shim/http/fields.h"

namespace telinject::drain {

namespace {

constexpr uint64_t kStreamKey = uint64_t{1} << 40;

HttpEnd http_end(ExitKind kind) {
  switch (kind) {
    case ExitKind::kExec:
      return HttpEnd::kExec;
    case ExitKind::kKilled:
      return HttpEnd::kKilled;
    case ExitKind::kProcessExit:
      return HttpEnd::kProcessExit;
    default:
      return HttpEnd::kUnknown;
  }
}

HttpConnection& known_connection(SegmentState* segment, uint64_t number) {
  HttpConnections& all = segment->http_connections;
  if (all.size() >= kMaxHttpConnections && !all.contains(number)) all.erase(all.begin());
  return all[number];
}

HttpState& state_of(Process* process) {
  return process->operations.get<HttpState>();
}

}  // namespace

void HttpSpans::message(const Place& at, const AssembledMessage& message) {
  switch (message.type) {
    case MessageType::kHttpConnection:
      connection(at, message);
      break;
    case MessageType::kHttpRequest:
      request(at, message);
      break;
    case MessageType::kHttpResponse:
      response(at, message);
      break;
    case MessageType::kHttpHeaders:
      headers(at, message);
      break;
    case MessageType::kHttpEnd:
      end(at, message);
      break;
    case MessageType::kHttpTransfer:
      transfer(at, message);
      break;
    case MessageType::kHttpTransferEnd:
      transfer_end(at, message);
      break;
    case MessageType::kTlsConnection:
      tls(at, message);
      break;
    default:
      break;
  }
}

void HttpSpans::connection(const Place& at, const AssembledMessage& message) {
  auto head = message.head<HttpConnectionMessage>();
  if (head.has_value()) known_connection(at.segment, head->connection).add(message.bytes);
}

// Made now if it is not known: its messages come in any order.
OpenExchange* HttpSpans::exchange_of(Process* process, HttpState::Key key) {
  HttpState& http = state_of(process);
  if (OpenExchange* known = http.open.find(key)) return known;
  if (http.open.full()) {
    OpenExchange* oldest = http.open.oldest();
    if (oldest->http.end == HttpEnd::kOpen) {
      oldest->http.end = HttpEnd::kUnknown;
      oldest->http.end_ticks = oldest->span.start_ticks;
    }
    finish(process, oldest);
  }
  auto made = std::make_unique<OpenExchange>();
  made->process = process;
  made->http.connection = key.first;
  made->http.number = key.second;
  return http.open.add(std::move(made));
}

void HttpSpans::begin(const Place& at, OpenExchange* exchange, const RequestFacts& facts,
                      std::string_view fields) {
  HttpExchange& http = exchange->http;
  const HttpConnection& connection = known_connection(at.segment, http.connection);
  if (!read_request(fields, connection, &http)) {
    totals_.add_unread();
    drop(at.thread->process, exchange);
    return;
  }
  exchange->span = placer_->place(at, facts.context, at.start(facts.start_ticks));
  place_request(at, exchange, facts, fields);
  bool server = http.role == HttpRole::kServer;
  if (!server) placer_->ask(at.thread, exchange);
  if (exchange->sampled) {
    http.peer = HttpPeer(connection);
    if (server || http.request_body_bytes >= 0) write_request(exchange);
  }
  // What is called for a request that is not sampled is not written either.
  if (server) SpanPlacer::serve(at.thread, exchange, facts.alone, at.ticks);
  finish_if_over(at.thread->process, exchange);
}

void HttpSpans::request(const Place& at, const AssembledMessage& message) {
  auto head = message.head<HttpRequestMessage>();
  if (!head.has_value() || (head->flags & kHttpDigest) == 0) return;
  HttpState::Key key = {head->connection, head->exchange};
  if ((head->flags & kHttpTrailers) != 0) {
    return trailers(at, key, message.text(sizeof *head, head->header_bytes), /*of_request=*/true);
  }
  Process* process = at.thread->process;
  OpenExchange* exchange = exchange_of(process, key);
  if (exchange->http.request_known) {
    // The number is used again: by a fork that goes on with the connection, say.
    if (exchange->http.end == HttpEnd::kOpen) exchange->http.end = HttpEnd::kReused;
    exchange->http.end_ticks = std::max(exchange->http.end_ticks, at.ticks);
    finish(process, exchange);
    exchange = exchange_of(process, key);
  }
  exchange->http.role = (head->flags & kHttpFromPeer) != 0 ? HttpRole::kServer : HttpRole::kClient;
  exchange->http.truncated = (head->flags & kHttpTruncated) != 0;
  RequestFacts facts = {head->context, head->start_ticks, head->transfer,
                        (head->flags & kHttpServed) != 0, (head->flags & kHttpAllTold) != 0};
  begin(at, exchange, facts, message.text(sizeof *head, head->header_bytes));
}

void HttpSpans::response(const Place& at, const AssembledMessage& message) {
  auto head = message.head<HttpResponseMessage>();
  if (!head.has_value() || (head->flags & kHttpDigest) == 0) return;
  if ((head->flags & kHttpInterim) != 0) return;
  HttpState::Key key = {head->connection, head->exchange};
  std::string_view fields = message.text(sizeof *head, head->header_bytes);
  if ((head->flags & kHttpTrailers) != 0) return trailers(at, key, fields, /*of_request=*/false);
  OpenExchange* exchange = exchange_of(at.thread->process, key);
  HttpExchange& http = exchange->http;
  if (http.response_known) return;
  http.truncated = http.truncated || (head->flags & kHttpTruncated) != 0;
  http.first_byte_ticks = at.start(head->start_ticks);
  if (!read_response(fields, &http)) totals_.add_unread();
  finish_if_over(at.thread->process, exchange);
}

// They come before their exchange's end.
void HttpSpans::trailers(const Place& at, HttpState::Key key, std::string_view fields,
                         bool of_request) {
  OpenExchange* exchange = state_of(at.thread->process).open.find(key);
  if (exchange != nullptr) read_trailers(fields, of_request, &exchange->http);
}

// The exchange is there, without what the block said: what follows belongs to it.
void HttpSpans::undecoded_block(const Place& at, OpenExchange* exchange, bool from_peer) {
  HttpExchange& http = exchange->http;
  totals_.add_unread();
  HttpConnection& connection = known_connection(at.segment, http.connection);
  bool opens = !http.request_known && !http.response_known &&
               connection.role != (from_peer ? HttpRole::kClient : HttpRole::kServer);
  if (opens) {
    http.request_known = true;
    exchange->sampled = false;
  } else {
    http.response_known = true;
  }
}

// A block that could be read. False if the exchange may be gone.
bool HttpSpans::take_block(const Place& at, OpenExchange* exchange, const HttpHeadersMessage& head,
                           std::string_view fields) {
  HttpExchange& http = exchange->http;
  bool from_peer = (head.flags & kHttpFromPeer) != 0;
  std::string_view status = find_field(fields, ":status");
  if (find_field(fields, ":method").data() != nullptr) {
    if (http.request_known) return false;
    http.role = from_peer ? HttpRole::kServer : HttpRole::kClient;
    // Its end is told by a message of its own.
    if ((head.flags & kHttpEndOfStream) != 0) http.request_body_bytes = 0;
    RequestFacts facts = {head.context, head.start_ticks, head.transfer,
                          /*alone=*/at.thread->servers.empty(), (head.flags & kHttpAllTold) != 0};
    begin(at, exchange, facts, fields);
    return false;
  }
  if (status.data() == nullptr) {
    read_trailers(fields, (from_peer ? HttpRole::kServer : HttpRole::kClient) == http.role, &http);
  } else if (!http.response_known && !status.starts_with('1')) {
    http.first_byte_ticks = at.start(head.start_ticks);
    if (!read_response(fields, &http)) totals_.add_unread();
  }
  return true;
}

void HttpSpans::headers(const Place& at, const AssembledMessage& message) {
  auto head = message.head<HttpHeadersMessage>();
  if (!head.has_value() || (head->flags & kHttpDigest) == 0) return;
  if ((head->flags & kHttpPush) != 0) return;  // what was not asked for is no request
  Process* process = at.thread->process;
  HttpState::Key key = {head->connection, kStreamKey | head->stream};
  if (state_of(process).is_over(key)) return;
  OpenExchange* exchange = exchange_of(process, key);
  HttpExchange& http = exchange->http;
  http.http2 = true;
  http.truncated = http.truncated || (head->flags & kHttpTruncated) != 0;
  std::string_view fields = message.text(sizeof *head, head->block_bytes);
  if ((head->flags & kHttpUndecoded) != 0) {
    undecoded_block(at, exchange, (head->flags & kHttpFromPeer) != 0);
  } else if (!take_block(at, exchange, *head, fields)) {
    return;
  }
  finish_if_over(process, exchange);
}

void HttpSpans::end(const Place& at, const AssembledMessage& message) {
  auto head = message.head<HttpEndMessage>();
  if (!head.has_value()) return;
  Process* process = at.thread->process;
  HttpState& state = state_of(process);
  uint64_t ticks = at.start(head->ticks);
  if (head->exchange == 0 && head->stream == 0) {
    // The connection itself.
    std::vector<OpenExchange*> left;
    state.open.each([&](OpenExchange* exchange) {
      bool ends = head->half == 0 && exchange->http.connection == head->connection;
      if (ends) left.push_back(exchange);
    });
    for (OpenExchange* exchange : left) {
      if (exchange->http.end == HttpEnd::kOpen) {
        exchange->http.end = http_end(head->reason);
        exchange->http.error = head->error;
        exchange->http.end_ticks = ticks;
      }
      finish(process, exchange);
    }
    at.segment->http_connections.erase(head->connection);
    return;
  }
  if (head->exchange != 0 && head->stream != 0) return go_on_as_stream(at, *head);
  uint64_t number = head->stream != 0 ? kStreamKey | head->stream : head->exchange;
  if (head->stream == 0) end_before(process, head->connection, number, ticks);
  HttpState::Key key = {head->connection, number};
  // A stream may be reset when all is said.
  if (head->stream != 0 && state.is_over(key)) return;
  OpenExchange* exchange = exchange_of(process, key);
  HttpExchange& http = exchange->http;
  bool from_peer = (head->flags & kHttpFromPeer) != 0;
  http.end_ticks = std::max(http.end_ticks, ticks);
  if (head->half != 0) {
    if (from_peer) {
      http.received_ended = true;
      http.received_bytes = head->received_bytes;
    } else {
      http.sent_ended = true;
      http.sent_bytes = head->sent_bytes;
    }
    if (http.sent_ended && http.received_ended && http.end == HttpEnd::kOpen) {
      http.end = HttpEnd::kComplete;
    }
  } else {
    http.sent_bytes = std::max(http.sent_bytes, head->sent_bytes);
    http.received_bytes = std::max(http.received_bytes, head->received_bytes);
    // Once the response is whole, a reset only says that nothing more is wanted of the request.
    bool answered = http.role == HttpRole::kServer ? http.sent_ended : http.received_ended;
    bool whole = head->reason == HttpEndReason::kReset && http.response_known && answered;
    http.end = whole ? HttpEnd::kComplete : http_end(head->reason);
    http.error = whole ? 0 : head->error;
  }
  finish_if_over(process, exchange);
}

// An exchange that is not recorded stays so as a stream.
void HttpSpans::go_on_as_stream(const Place& at, const HttpEndMessage& head) {
  Process* process = at.thread->process;
  HttpState& state = state_of(process);
  end_before(process, head.connection, head.exchange, at.start(head.ticks));
  HttpState::Key key = {head.connection, kStreamKey | head.stream};
  OpenExchange* exchange = state.open.find({head.connection, head.exchange});
  if (exchange == nullptr) {
    if (state.open.find(key) != nullptr) return;
    exchange = exchange_of(process, key);
    exchange->http.http2 = exchange->http.request_known = true;
    exchange->sampled = false;
    return;
  }
  SpanPlacer::stop_serving(exchange);
  HttpExchange& http = exchange->http;
  bool renamed = state.open.rename(exchange, key, [&] { http.number = key.second; });
  if (!renamed) return;
  http.http2 = true;
  http.version = "2";
  // All of the request has passed.
  (http.role == HttpRole::kServer ? http.received_ended : http.sent_ended) = true;
  http.sent_bytes = head.sent_bytes;
  http.received_bytes = head.received_bytes;
}

// Exchanges of HTTP/1 end in their order: whose end did not come before the next one's found no
// room in its lane.
void HttpSpans::end_before(Process* process, uint64_t connection, uint64_t number, uint64_t ticks) {
  HttpState& state = state_of(process);
  while (number-- > 1) {
    OpenExchange* exchange = state.open.find({connection, number});
    if (exchange == nullptr) return;
    HttpExchange& http = exchange->http;
    if (http.end != HttpEnd::kOpen && http.transfer != 0) return;  // it waits for libcurl
    if (http.end == HttpEnd::kOpen || !http.response_known) {
      http.end = HttpEnd::kLost;
      http.end_ticks = std::max(http.end_ticks, ticks);
    }
    finish(process, exchange);
  }
}

// Unless something is to come still: the request or response, by another lane; what libcurl says.
void HttpSpans::finish_if_over(Process* process, OpenExchange* exchange) {
  const HttpExchange& http = exchange->http;
  if (http.end == HttpEnd::kOpen || !http.request_known) return;
  if (http.end == HttpEnd::kComplete && !http.response_known) return;
  if (http.transfer != 0) return;
  finish(process, exchange);
}

void HttpSpans::finish(Process* process, OpenExchange* exchange) {
  HttpExchange& http = exchange->http;
  if (!http.request_known) {
    totals_.add_unread();
  } else if (exchange->sampled) {
    if (!http.request_written) write_request(exchange);
    write_response(exchange);
  }
  drop(process, exchange);
}

void HttpSpans::drop(Process* process, OpenExchange* exchange) {
  HttpState& state = state_of(process);
  HttpExchange& http = exchange->http;
  SpanPlacer::stop_serving(exchange);
  placer_->be_answered(*exchange, http.end_ticks);
  if (http.transfer != 0 && exchange->transfer_of != nullptr) {
    auto transfer = exchange->transfer_of->transfers.find(http.transfer);
    if (transfer != exchange->transfer_of->transfers.end() && transfer->second.last == exchange) {
      transfer->second.last = nullptr;
    }
  }
  if (http.role == HttpRole::kServer && http.request_known) state.passed_on.over(exchange);
  if (http.http2) state.remember(exchange->key());
  state.open.erase(*exchange);
}

void HttpSpans::write_request(OpenExchange* exchange) {
  exchange->http.request_written = true;
  events_->start(exchange->process, exchange->span, made_.request(exchange->http));
}

void HttpSpans::write_response(OpenExchange* exchange) {
  const OperationSpan& span = exchange->span;
  const HttpExchange& http = exchange->http;
  int64_t end_ns = placer_->end_of(span, http.end_ticks);
  int64_t first_byte_ns = -1;
  if (http.first_byte_ticks != 0) {
    first_byte_ns =
        std::clamp(placer_->to_ns(http.first_byte_ticks), span.start_ns, end_ns) - span.start_ns;
  }
  int64_t duration = end_ns - span.start_ns;
  const Operation& response = made_.response(http, duration, first_byte_ns, slow_ns_);
  count(http, made_.error(), duration);
  events_->end(exchange->process, span, end_ns, response, made_.severity(), made_.error());
}

void HttpSpans::tls(const Place& at, const AssembledMessage& message) {
  auto head = message.head<TlsConnectionMessage>();
  if (!head.has_value() || head->reserved[0] != kHttpDigest) return;
  Process* process = at.thread->process;
  auto& all = state_of(process).tls;
  auto found = all.find(head->connection);
  if (found == all.end()) {
    if (all.size() >= kMaxTlsConnections) return;
    found = all.emplace(head->connection, OpaqueTls{}).first;
    OpaqueTls& made = found->second;
    made.span = placer_->place(at, head->context, at.start(head->start_ticks));
    made.sampled = head->context.sampled != 0;
    made.facts = read_tls(message.text(sizeof *head, head->hello_bytes),
                          known_connection(at.segment, head->connection));
  }
  OpaqueTls& connection = found->second;
  connection.sent_bytes = head->sent_bytes;
  connection.received_bytes = head->received_bytes;
  if (head->end_ticks == 0) return;
  connection.end_ticks = at.start(head->end_ticks);
  write_tls(process, &connection);
  all.erase(found);
}

void HttpSpans::write_tls(Process* process, OpaqueTls* connection) {
  if (!connection->sampled) return;
  const OperationSpan& span = connection->span;
  int64_t end_ns = placer_->end_of(span, connection->end_ticks);
  totals_.add_opaque();
  const Operation& end = made_.tls(connection->facts, connection->sent_bytes,
                                   connection->received_bytes, end_ns - span.start_ns);
  events_->end(process, span, end_ns, end, Severity::kInfo, nullptr);
}

void HttpSpans::end_process(Process* process, ExitKind kind, uint64_t ticks) {
  HttpState* known = process->operations.find<HttpState>();
  if (known == nullptr) return;
  HttpState& state = *known;
  while (!state.open.empty()) {
    OpenExchange* exchange = state.open.oldest();
    HttpExchange& http = exchange->http;
    if (http.end == HttpEnd::kOpen) {
      http.end = http_end(kind);
      http.end_ticks = std::max(ticks, exchange->span.start_ticks);
    }
    finish(process, exchange);
  }
  for (auto& [number, transfer] : state.transfers) {
    if (transfer.ended || transfer.exchanges > 0 || !transfer.sampled) continue;
    HttpExchange exchange;
    exchange.method = "GET";
    exchange.end = http_end(kind);
    exchange.end_ticks = ticks;
    write_unseen(process, transfer, std::move(exchange), HttpConnection());
  }
  // Another process's, a fork's, which lives on.
  for (auto& [number, transfer] : state.transfers) {
    if (transfer.last != nullptr) transfer.last->transfer_of = nullptr;
  }
  state.transfers.clear();
  state.issued.clear();
  state.ended_transfers.clear();
  for (auto& [number, connection] : state.tls) {
    connection.end_ticks = ticks;
    write_tls(process, &connection);
  }
  state.tls.clear();
}

}  // namespace telinject::drain
