// Spans of HTTP exchanges: from messages (shim/channel/http_message.h, as digests) to events, with
// their place in the call tree. docs/http.md says what they look like.
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
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/http_state.h"
#include "shim/drain/spans/process_model.h"
#include "shim/http/exchange_events.h"

namespace telinject::drain {

class HttpSpans {
 public:
  // Whoever keeps time and the calls.
  class Calls {
   public:
    virtual ~Calls() = default;
    virtual int64_t to_ns(uint64_t ticks) = 0;
    // A frame of this stack becomes a parent: it, and what is above it, has to be in the output.
    virtual void needed(Thread* thread, FrameStack* stack) = 0;
  };

  // Responses that took longer than `slow_ns` are warnings; 0: none are.
  HttpSpans(Calls* calls, EventWriter* events, int64_t slow_ns)
      : calls_(calls), events_(events), slow_ns_(slow_ns) {}

  void message(SegmentState* segment, uint32_t lane, Thread* thread,
               const AssembledMessage& message, uint64_t ticks);
  // The process has ended, or will send nothing more.
  void end_process(Process* process, ExitKind kind, uint64_t ticks);
  // A thread is about to be forgotten.
  void forget(Thread* thread);

  const HttpTotals& totals() const { return totals_; }

  // What processes have open is theirs (http_state.h).
  template <typename Archive>
  void io(Archive& a) {
    a(totals_);
  }

 private:
  struct Place {
    SegmentState* segment;
    Thread* thread;
    uint32_t lane;
    uint64_t position, ticks;
    uint64_t id() const { return span_id(segment->info->key, lane, position); }
    uint64_t start(uint64_t told) const;
  };

  void connection(const Place& at, const AssembledMessage& message);
  void request(const Place& at, const AssembledMessage& message);
  void response(const Place& at, const AssembledMessage& message);
  void headers(const Place& at, const AssembledMessage& message);
  void end(const Place& at, const AssembledMessage& message);
  void transfer(const Place& at, const AssembledMessage& message);
  void transfer_end(const Place& at, const AssembledMessage& message);
  void tls(const Place& at, const AssembledMessage& message);

  // http_context.cpp
  HttpSpan span_at(const Place& at, const HttpContext& context, uint64_t start_ticks);
  void place_request(const Place& at, OpenExchange* exchange, const HttpContext& context,
                     std::string_view fields, uint64_t transfer);
  bool take_issued_id(const Place& at, OpenExchange* exchange, const TraceContext& sent);
  void link(HttpState* http, uint64_t transfer, OpenExchange* exchange);
  void ask(Thread* thread, HttpExchange* http);
  void be_answered(Process* process, const HttpExchange& http);
  static void serve(Thread* thread, OpenExchange* exchange, bool alone, uint64_t ticks);
  static void stop_serving(OpenExchange* exchange);

  OpenExchange* exchange_of(Process* process, HttpState::Key key);
  void begin(const Place& at, OpenExchange* exchange, const HttpContext& context,
             std::string_view fields, uint64_t start_ticks, uint64_t transfer, bool alone);
  void go_on_as_stream(const Place& at, const HttpEndMessage& head);
  void end_before(Process* process, uint64_t connection, uint64_t number, uint64_t ticks);
  void finish_if_over(Process* process, OpenExchange* exchange);
  void finish(Process* process, OpenExchange* exchange);
  void drop(Process* process, OpenExchange* exchange);
  void write_request(Process* process, HttpExchange* exchange);
  void write_response(Process* process, HttpExchange* exchange);
  void write_unseen(Process* process, const HttpTransfer& transfer, HttpExchange exchange,
                    const HttpConnection& connection);
  int64_t end_of(const HttpSpan& span, uint64_t ticks) const;
  void write_tls(Process* process, OpaqueTls* connection);

  Calls* calls_;
  EventWriter* events_;
  int64_t slow_ns_;
  ExchangeEvents made_;
  HttpTotals totals_;
};

}  // namespace telinject::drain
