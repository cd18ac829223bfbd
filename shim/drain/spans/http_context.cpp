// What an exchange's own traceparent and its libcurl transfer say of its id, trace and parent.
#include <algorithm>
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

// HTTP/2's fields are read here only; HTTP/1's program has seen the same.
void HttpSpans::place_served(const Place& at, OpenExchange* exchange, const HttpContext& context,
                             const TraceContext& sent) {
  OperationSpan& span = exchange->span;
  if (context.parent == HttpParent::kHeaders && sent.valid != 0) {
    span.trace = {sent.trace_hi, sent.trace_lo};
    span.parent = sent.span_id;
    exchange->sampled = sent.sampled != 0;
  } else if (context.parent == HttpParent::kHeaders) {
    span.trace = trace_id(at.segment->info->key, at.lane, context.root_number);
    span.parent = 0;
  }
  at.thread->process->operations.get<HttpState>().passed_on.serve(exchange);
}

// What a request says of itself counts for more than that its thread serves another one.
void HttpSpans::place_passed_on(const Place& at, OpenExchange* exchange, const TraceContext& sent,
                                const RequestFacts& facts) {
  HttpState& state = at.thread->process->operations.get<HttpState>();
  PassedOn& passed_on = state.passed_on;
  if (!passed_on.active()) {
    passed_on.begin();
    state.each_served([&](OpenExchange* served) { passed_on.serve(served); });
  }
  OperationSpan& span = exchange->span;
  if (sent.valid != 0) {
    // The application's own, or passed on by a proxy: then from a request that is served here.
    exchange->sampled = exchange->sampled && sent.sampled != 0;
    span.trace = {sent.trace_hi, sent.trace_lo};
    const OpenExchange* served = passed_on.bearer(sent, exchange->http);
    bool known = served != nullptr && fits(sent, served->span.trace);
    span.parent = known ? served->span.id : sent.span_id;
    return;
  }
  // The program has known its cause.
  if (facts.context.parent == HttpParent::kIncoming) return;
  const auto& servers = at.thread->servers;
  bool by_thread = std::any_of(servers.begin(), servers.end(), [&](const OpenOperation* server) {
    return server->span.id == span.parent;
  });
  if (!facts.all_told || (span.parent != 0 && !by_thread)) return;
  const OpenExchange* cause = passed_on.cause(exchange->http);
  if (cause == nullptr) return;
  span.trace = cause->span.trace;
  span.parent = cause->span.id;
  exchange->sampled = exchange->sampled && cause->sampled;
}

void HttpSpans::place_request(const Place& at, OpenExchange* exchange, const RequestFacts& facts,
                              std::string_view fields) {
  exchange->sampled = facts.context.sampled != 0;
  TraceContext sent = traceparent_of(fields);
  if (exchange->http.role == HttpRole::kServer) {
    return place_served(at, exchange, facts.context, sent);
  }
  if (sent.valid != 0 && take_issued_id(at, exchange, sent)) return;
  place_passed_on(at, exchange, sent, facts);
  if (facts.transfer == 0) return;
  link(&at.thread->process->operations.get<HttpState>(), facts.transfer, exchange);
}

}  // namespace telinject::drain
