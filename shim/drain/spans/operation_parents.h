// What the spans of operations ask of those of calls: the time of a record, and that a call which
// becomes a parent is emitted.
#pragma once

#include <cstdint>

#include "shim/drain/records/clock_keeper.h"
#include "shim/drain/spans/span_emitter.h"
#include "shim/drain/spans/span_placer.h"

namespace telinject::drain {

class OperationParents final : public SpanPlacer::Calls {
 public:
  OperationParents(ClockKeeper* clock, SpanEmitter* emitter) : clock_(clock), emitter_(emitter) {}

  int64_t to_ns(uint64_t ticks) override { return clock_->to_ns(ticks); }
  void needed(Thread* thread, FrameStack* stack) override { emitter_->need(thread, stack); }

 private:
  ClockKeeper* clock_;
  SpanEmitter* emitter_;
};

}  // namespace telinject::drain
