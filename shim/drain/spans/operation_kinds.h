// All kinds of operations that the drain knows, one line each in every function: what the processor
// does for operations it does through this.
//
// A kind is a class like HttpSpans. It takes its messages, which come in one piece and redacted,
// has its spans placed (SpanPlacer), keeps what is open (OpenOperations, in a state that derives
// from OperationState), and gives the outputs an Operation at the start and at the end
// (EventWriter).
#pragma once

#include <cstdint>

#include "shim/drain/spans/http_spans.h"

namespace telinject::drain {

struct OperationOptions {
  int64_t slow_http_ns = 1000000000;  // TELEMETRY_HTTP_SLOW
};

class OperationKinds {
 public:
  OperationKinds(SpanPlacer* placer, EventWriter* events, const OperationOptions& options)
      : http_(placer, events, options.slow_http_ns) {}

  void message(const OperationPlace& at, const AssembledMessage& message) {
    if (HttpSpans::takes(message.type)) http_.message(at, message);
  }
  // The process has ended, or will send nothing more: what it has open ends with it.
  void end_process(Process* process, ExitKind kind, uint64_t ticks) {
    http_.end_process(process, kind, ticks);
  }

  // For the summary.
  const HttpTotals& http() const { return http_.totals(); }

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
