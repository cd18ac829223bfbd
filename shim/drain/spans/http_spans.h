// Spans of HTTP exchanges: from messages (shim/channel/http_message.h, as digests) to events. Their
// place in the call tree is found by SpanPlacer. docs/http.md says what they look like.
//
// The messages of one exchange come from the lanes of several threads, in any order. Its request
// event is written when the request is known, for function spans may become its children; of a
// client's whose body has no length, with the response. Whatever a process leaves open ends with
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shim/drain/report/http_totals.h"
#include "shim/drain/report/request_totals.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/http_state.h"
#include "shim/drain/spans/process_model.h"
#include "shim/drain/spans/span_placer.h"
#include "shim/http/digest.h"
#include "shim/http/exchange_events.h"

namespace telinject::drain {

class HttpSpans {
 public:
  // Responses that took longer than `slow_ns` are warnings; 0: none are.
  HttpSpans(SpanPlacer* placer, EventWriter* events, int64_t slow_ns)
      : placer_(placer), events_(events), slow_ns_(slow_ns) {}

  static bool takes(MessageType type) { return is_http(type); }
  void message(const OperationPlace& at, const AssembledMessage& message);
  // The process has ended, or will send nothing more.
  void end_process(Process* process, ExitKind kind, uint64_t ticks);

  const HttpTotals& totals() const { return totals_; }
  const RequestTotals& request_totals() const { return request_totals_; }

  // To be raised with each change of what is saved of HTTP (processor_state.cpp).
  static constexpr uint64_t kFormat = 2;
  // What processes have open is theirs (http_state.h).
  template <typename Archive>
  void io(Archive& a) {
    a(totals_, request_totals_);
  }
  // Enrolls what the segment's processes have open; then the rest.
  template <typename Archive>
  static void io_open(Archive& a, SegmentState* segment);
  template <typename Archive>
  static void io_rest(Archive& a, SegmentState* segment);

 private:
  using Place = OperationPlace;
  // What the message of a request says besides its fields.
  struct RequestFacts {
    const HttpContext& context;
    uint64_t start_ticks, transfer;
    bool alone;     // its thread serves nothing else
    bool all_told;  // kHttpAllTold
  };

  void connection(const Place& at, const AssembledMessage& message);
  void request(const Place& at, const AssembledMessage& message);
  void response(const Place& at, const AssembledMessage& message);
  void headers(const Place& at, const AssembledMessage& message);
  static void trailers(const Place& at, HttpState::Key key, std::string_view fields,
                       bool of_request);
  bool take_block(const Place& at, OpenExchange* exchange, const HttpHeadersMessage& head,
                  std::string_view fields);
  void undecoded_block(const Place& at, OpenExchange* exchange, bool from_peer);
  void end(const Place& at, const AssembledMessage& message);
  void transfer(const Place& at, const AssembledMessage& message);
  void transfer_end(const Place& at, const AssembledMessage& message);
  void tls(const Place& at, const AssembledMessage& message);

  // http_context.cpp
  void place_request(const Place& at, OpenExchange* exchange, const RequestFacts& facts,
                     std::string_view fields);
  static void place_served(const Place& at, OpenExchange* exchange, const HttpContext& context,
                           const TraceContext& sent);
  static void place_passed_on(const Place& at, OpenExchange* exchange, const TraceContext& sent,
                              const RequestFacts& facts);
  bool take_issued_id(const Place& at, OpenExchange* exchange, const TraceContext& sent);
  void link(HttpState* http, uint64_t transfer, OpenExchange* exchange);

  OpenExchange* exchange_of(Process* process, HttpState::Key key);
  void begin(const Place& at, OpenExchange* exchange, const RequestFacts& facts,
             std::string_view fields);
  void go_on_as_stream(const Place& at, const HttpEndMessage& head);
  void end_before(Process* process, uint64_t connection, uint64_t number, uint64_t ticks);
  void finish_if_over(Process* process, OpenExchange* exchange);
  void finish(Process* process, OpenExchange* exchange);
  void drop(Process* process, OpenExchange* exchange);
  void write_request(OpenExchange* exchange);
  void write_response(OpenExchange* exchange);
  void count(const HttpExchange& http, const ErrorInfo* error, int64_t duration_ns);
  void write_unseen(Process* process, const HttpTransfer& transfer, HttpExchange exchange,
                    const HttpConnection& connection);
  void write_tls(Process* process, OpaqueTls* connection);

  SpanPlacer* placer_;
  EventWriter* events_;
  int64_t slow_ns_;
  ExchangeEvents made_;
  HttpTotals totals_;
  RequestTotals request_totals_;
};

template <typename Archive>
void HttpSpans::io_open(Archive& a, SegmentState* segment) {
  a(segment->http_connections);
  for (auto& [id, process] : segment->processes) {
    bool any = process->operations.template find<HttpState>() != nullptr;
    a(any);
    if (any) process->operations.template get<HttpState>().open.io(a, process.get());
  }
}

template <typename Archive>
void HttpSpans::io_rest(Archive& a, SegmentState* segment) {
  for (auto& [id, process] : segment->processes) {
    if (auto* http = process->operations.template find<HttpState>()) http->io_rest(a);
  }
}

}  // namespace telinject::drain
