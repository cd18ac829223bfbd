// All kinds of operations that the drain knows: their settings, their redactors, their spans. Each
// kind has one line in every function here, and no other file of the drain lists the kinds.
//
// A kind is a redactor (MessageRedactor) and a class like HttpSpans. That class takes its messages,
// which come in one piece and redacted, has its spans placed (SpanPlacer), keeps what is open
// (OpenOperations, in a state that derives from OperationState), and gives the outputs an Operation
// at the start and at the end (EventWriter).
#pragma once

#include <cstdint>
#include <memory>

#include "shim/channel/settings.h"
#include "shim/drain/spans/http_spans.h"
#include "shim/http/digest.h"
#include "shim/messages/message_redactor.h"
#include "shim/redaction/redactor.h"

namespace telinject::drain {

// Settings that decide how events of operations look.
struct OperationOptions {
  uint64_t slow_http_ns = 1000000000;  // TELEMETRY_HTTP_SLOW

  static OperationOptions of(const Settings& settings) { return {settings.number[kHttpSlow]}; }
  // visit(name, value): a recording that another process goes on with keeps them by name.
  template <typename Visit>
  void each(Visit&& visit) {
    visit("slow_http_ns", slow_http_ns);
  }
};

// For the collector.
inline MessageRedactors operation_redactors(const redaction::Redactor& redactor) {
  MessageRedactors redactors;
  redactors.push_back(std::make_unique<HttpDigester>(redactor));
  return redactors;
}

class OperationKinds {
 public:
  OperationKinds(SpanPlacer* placer, EventWriter* events, const OperationOptions& options)
      : http_(placer, events, static_cast<int64_t>(options.slow_http_ns)) {}

  void message(const OperationPlace& at, const AssembledMessage& message) {
    if (HttpSpans::takes(message.type)) http_.message(at, message);
  }
  // The process has ended, or will send nothing more: what it has open ends with it.
  void end_process(Process* process, ExitKind kind, uint64_t ticks) {
    http_.end_process(process, kind, ticks);
  }

  // The spans of what the process has open.
  template <typename Visit>
  static void each_span(const Process& process, Visit&& visit) {
    if (auto* http = process.operations.find<HttpState>()) http->each_span(visit);
  }

  // For the summary.
  const HttpTotals& http() const { return http_.totals(); }
  const RequestTotals& requests() const { return http_.request_totals(); }

  // The sum of the kinds' versions: part of the version of what a processor saves.
  static constexpr uint64_t kFormat = HttpSpans::kFormat;
  // What processes have open is theirs: io_segment().
  template <typename Archive>
  void io(Archive& a) {
    a(http_);
  }
  // Operations refer to their threads, which refer to them: that is said once.
  template <typename Archive>
  static void io_segment(Archive& a, SegmentState* segment) {
    HttpSpans::io_open(a, segment);
    HttpSpans::io_rest(a, segment);
    for (auto& [id, process] : segment->processes) {
      for (auto& thread : process->threads) io_served(a, thread.get());
    }
  }

 private:
  template <typename Archive>
  static void io_served(Archive& a, Thread* thread);

  HttpSpans http_;
};

template <typename Archive>
void OperationKinds::io_served(Archive& a, Thread* thread) {
  uint64_t servers = a.count(thread->servers.size());
  if (Archive::kReads) thread->servers.resize(servers);
  for (OpenOperation*& operation : thread->servers) {
    a.refer(operation);
    if (!Archive::kReads) continue;
    bool sound = operation != nullptr && operation->process == thread->process &&
                 operation->server_of == nullptr;
    if (!sound) return a.fail();
    operation->server_of = thread;
  }
  a.refer(thread->serving);
  if (thread->serving != nullptr && thread->serving->server_of != thread) a.fail();
}

}  // namespace telinject::drain
