// Where an exchange belongs: its id, its trace and its parent; and what belongs to it.
#include <cstring>

#include "shim/channel/traceparent.h"
#include "shim/drain/naming/sites.h"
#include "shim/drain/spans/http_spans.h"
#include "shim/http/fields.h"

namespace telinject::drain {

namespace {

// So far up a deep recursion the call is looked for that began before the request.
constexpr size_t kFar = 256;

bool fits(const TraceContext& wanted, TraceId trace) {
  return wanted.valid == 0 || (wanted.trace_hi == trace.hi && wanted.trace_lo == trace.lo);
}

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

uint64_t HttpSpans::Place::start(uint64_t told) const {
  uint64_t ours = segment->info->our_ticks(told);
  return ours > ticks || ours < segment->info->start_ticks ? ticks : ours;
}

// The open span of the thread at this place: a function's that began before the request, in the
// trace that the program found there; else that of a request which the thread serves; else what the
// thread continues.
HttpSpan HttpSpans::span_at(const Place& at, const HttpContext& context, uint64_t start_ticks) {
  HttpSpan span;
  span.id = at.id();
  span.start_ticks = start_ticks;
  span.start_ns = calls_->to_ns(start_ticks);
  span.thread = at.thread->info;
  const TraceContext& found = context.trace;
  CallTree& tree = at.thread->tree;
  FrameStack* stack = tree.current_stack();
  const Frame* parent = nullptr;
  if (stack != nullptr) {
    size_t last = stack->frames.size() > kFar ? stack->frames.size() - kFar : 0;
    for (size_t i = stack->frames.size(); i-- > last && parent == nullptr;) {
      const Frame& frame = stack->frames[i];
      if (frame.ticks > start_ticks) continue;
      if (span.function == nullptr) span.function = &frame.site->function;
      if (fits(found, frame.trace)) parent = &frame;
    }
  }
  if (context.parent == HttpParent::kIncoming && found.valid != 0) {
    span.trace = {found.trace_hi, found.trace_lo};
    span.parent = found.span_id;
    return span;
  }
  bool continues = context.parent == HttpParent::kThread ||
                   (context.parent == HttpParent::kHeaders && found.valid != 0);
  if (!continues) {
    span.trace = trace_id(at.segment->info->key, at.lane, context.root_number);
    return span;
  }
  if (parent != nullptr) {
    calls_->needed(at.thread, stack);
    span.trace = parent->trace;
    span.parent = parent->parent_of_children();
    return span;
  }
  for (size_t i = at.thread->servers.size(); i-- > 0;) {
    const HttpSpan& server = at.thread->servers[i]->http.span;
    if (!fits(found, server.trace) || server.start_ticks > start_ticks) continue;
    span.trace = server.trace;
    span.parent = server.id;
    return span;
  }
  if (tree.context().has_value() && fits(found, tree.context()->trace)) {
    span.trace = tree.context()->trace;
    span.parent = tree.context()->span_id;
  } else if (found.valid != 0) {
    // Its spans are lost. The trace was told to the peer, but no id goes out that is not written.
    span.trace = {found.trace_hi, found.trace_lo};
  } else {
    span.trace = trace_id(at.segment->info->key, at.lane, context.root_number);
  }
  return span;
}

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
    HttpSpan& span = exchange->http.span;
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
    exchange->http.sampled = transfer.sampled;
    link(http, number, exchange);
    return true;
  };
  if (look(at.thread->process->http.get())) return true;
  for (auto& [id, process] : at.segment->processes) {
    if (process.get() != at.thread->process && look(process->http.get())) return true;
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
  HttpState* state = at.thread->process->http.get();
  http.sampled = context.sampled != 0;
  bool server = http.role == HttpRole::kServer;
  TraceContext sent = traceparent_of(fields);
  if (server) {
    // HTTP/2's are read here only; HTTP/1's program has seen the same.
    if (context.parent == HttpParent::kHeaders && sent.valid != 0) {
      http.span.trace = {sent.trace_hi, sent.trace_lo};
      http.span.parent = sent.span_id;
      http.sampled = sent.sampled != 0;
    } else if (context.parent == HttpParent::kHeaders) {
      http.span.trace = trace_id(at.segment->info->key, at.lane, context.root_number);
      http.span.parent = 0;
    }
    if (http.sampled && http.span.parent != 0) state->continued[http.span.parent] = exchange;
    return;
  }
  if (sent.valid != 0) {
    if (take_issued_id(at, exchange, sent)) return;
    // The application's own, or passed on by a proxy: then from a request that is served here.
    http.sampled = http.sampled && sent.sampled != 0;
    http.span.trace = {sent.trace_hi, sent.trace_lo};
    http.span.parent = sent.span_id;
    auto served = state->continued.find(sent.span_id);
    if (served != state->continued.end() && fits(sent, served->second->http.span.trace)) {
      http.span.parent = served->second->http.span.id;
    }
  }
  if (transfer != 0) link(state, transfer, exchange);
}

// The innermost call that was open when the request went out waits for its response.
void HttpSpans::ask(Thread* thread, HttpExchange* http) {
  FrameStack* stack = thread->tree.current_stack();
  if (stack == nullptr) return;
  Frame& frame = stack->frames.back();
  if (frame.ticks > http->span.start_ticks) return;
  http->asked_by_call = frame.number;
  http->asked_by_thread = thread->info.tid;
  frame.requests.begin(http->span.start_ns, frame.not_own_ns());
}

void HttpSpans::be_answered(Process* process, const HttpExchange& http) {
  if (http.asked_by_call == 0) return;
  for (auto& thread : process->threads) {
    if (thread->info.tid != http.asked_by_thread) continue;
    Frame* frame = thread->tree.open_call(http.asked_by_call);
    if (frame == nullptr) continue;
    frame->requests.end(calls_->to_ns(http.end_ticks), frame->not_own_ns());
    return;
  }
}

// `alone`: the thread serves nothing else, and what it calls from here on belongs to the request.
void HttpSpans::serve(Thread* thread, OpenExchange* exchange, bool alone, uint64_t ticks) {
  exchange->server_of = thread;
  thread->servers.push_back(exchange);
  thread->serving = alone ? exchange : nullptr;
  std::optional<ParentContext> context;
  if (alone) {
    const HttpExchange& http = exchange->http;
    context = ParentContext{http.span.trace, http.span.id, http.sampled};
  }
  thread->tree.adopt(context, ticks);
}

void HttpSpans::stop_serving(OpenExchange* exchange) {
  Thread* thread = exchange->server_of;
  if (thread == nullptr) return;
  exchange->server_of = nullptr;
  std::erase(thread->servers, exchange);
  if (thread->serving != exchange) return;
  thread->serving = nullptr;
  thread->tree.adopt(std::nullopt, 0);
}

void HttpSpans::forget(Thread* thread) {
  for (OpenExchange* exchange : thread->servers) exchange->server_of = nullptr;
  thread->servers.clear();
  thread->serving = nullptr;
}

}  // namespace telinject::drain
