// What an exchange's own traceparent and its libcurl transfer say of its id, trace and parent.
#include <cstring>

#include "shim/channel/traceparent.h"
#include "shim/drain/spans/http_spans.h"
#include "shim/http/fields.h"

namespace telinject::drain {

namespace {

// The request's own; valid 0 if it has none.
TraceContext traceparent_of(std::string_view fields) {
  TraceContext context = {};
  std::string_view value = find_field(fields, "traceparent");
  char text[128] = {};
  if (value.size() < kTraceparentLength || value.size() >= sizeof text) return context;
  std::memcpy(text, value.data(), value.size());
  parse_traceparent(text, &context);
  return context;
}

}  // namespace

// True if a transfer of this program issued the id, and it is the exchange's now. The process may
// be a fork of the one that did.
bool HttpSpans::take_issued_id(const Place& at, OpenExchange* exchange, const TraceContext& sent) {
  uint64_t place = place_of(at.segment->info->key, sent.span_id);
  auto look = [&](HttpState* http) {
    if (http == nullptr) return false;
    auto after = http->issued.upper_bound(place);
    if (after == http->issued.begin()) return false;
    uint64_t number = std::prev(after)->second;
    auto found = http->transfers.find(number);
    if (found == http->transfers.end() || place - found->second.place >= found->second.ids) {
      return false;
    }
    HttpTransfer& transfer = found->second;
    OperationSpan& span = exchange->span;
    // Sent a second time, as over a new connection in place of one that had been closed: a span of
    // its own.
    if (transfer.sent_ids.insert(sent.span_id).second) span.id = sent.span_id;
    span.trace = {sent.trace_hi, sent.trace_lo};
    span.parent = fits(sent, transfer.span.trace) ? transfer.span.parent : 0;
    // A trace has one root: redirects follow from the first request, where nothing else made them.
    if (span.parent == 0) {
      span.parent = transfer.root;
      if (transfer.root == 0) transfer.root = span.id;
    }
    exchange->sampled = transfer.sampled;
    link(http, number, exchange);
    return true;
  };
  if (look(at.thread->process->operations.find<HttpState>())) return true;
  for (auto& [id, process] : at.segment->processes) {
    if (process.get() == at.thread->process) continue;
    if (look(process->operations.find<HttpState>())) return true;
  }
  return false;
}

// Its last exchange tells how a transfer ended; those before have been followed by another one.
void HttpSpans::link(HttpState* http, uint64_t number, OpenExchange* exchange) {
  auto found = http->transfers.find(number);
  if (found == http->transfers.end()) return;
  HttpTransfer& transfer = found->second;
  exchange->http.resend = transfer.exchanges++;
  if (transfer.ended) return;
  OpenExchange* before = transfer.last;
  transfer.last = exchange;
  exchange->http.transfer = number;
  exchange->transfer_of = http;
  if (before != nullptr) {
    before->http.transfer = 0;
    before->transfer_of = nullptr;
    finish_if_over(before->process, before);
  }
}

void HttpSpans::place_request(const Place& at, OpenExchange* exchange, const HttpContext& context,
                              std::string_view fields, uint64_t transfer) {
  HttpExchange& http = exchange->http;
  HttpState* state = &at.thread->process->operations.get<HttpState>();
  OperationSpan& span = exchange->span;
  exchange->sampled = context.sampled != 0;
  bool server = http.role == HttpRole::kServer;
  TraceContext sent = traceparent_of(fields);
  if (server) {
    // HTTP/2's are read here only; HTTP/1's program has seen the same.
    if (context.parent == HttpParent::kHeaders && sent.valid != 0) {
      span.trace = {sent.trace_hi, sent.trace_lo};
      span.parent = sent.span_id;
      exchange->sampled = sent.sampled != 0;
    } else if (context.parent == HttpParent::kHeaders) {
      span.trace = trace_id(at.segment->info->key, at.lane, context.root_number);
      span.parent = 0;
    }
    if (exchange->sampled && span.parent != 0) state->continued[span.parent] = exchange;
    return;
  }
  if (sent.valid != 0) {
    if (take_issued_id(at, exchange, sent)) return;
    // The application's own, or passed on by a proxy: then from a request that is served here.
    exchange->sampled = exchange->sampled && sent.sampled != 0;
    span.trace = {sent.trace_hi, sent.trace_lo};
    span.parent = sent.span_id;
    auto served = state->continued.find(sent.span_id);
    if (served != state->continued.end() && fits(sent, served->second->span.trace)) {
      span.parent = served->second->span.id;
    }
  }
  if (transfer != 0) link(state, transfer, exchange);
}

}  // namespace telinject::drain
