// Where an operation belongs: its id, its trace and its parent in the call tree; and what belongs
// to it. The same for all kinds of operations.
#pragma once

#include <cstdint>

#include "shim/channel/operation.h"
#include "shim/drain/spans/open_operations.h"
#include "shim/drain/spans/process_model.h"

namespace telinject::drain {

// The place of a message in its lane, and the thread that wrote it.
struct OperationPlace {
  SegmentState* segment;
  Thread* thread;
  uint32_t lane;
  uint64_t position, ticks;

  // The id of a span that is named after this place.
  uint64_t id() const;
  // When the operation began: as its message told it, or this place's time if that makes no sense.
  uint64_t start(uint64_t told) const;
};

// True if `wanted` names no trace, or this one.
bool fits(const TraceContext& wanted, TraceId trace);

class SpanPlacer {
 public:
  // What it asks of those who keep the time and the calls.
  class Calls {
   public:
    virtual ~Calls() = default;
    virtual int64_t to_ns(uint64_t ticks) = 0;
    // A frame of this stack becomes a parent: it, and what is above it, has to be in the output.
    virtual void needed(Thread* thread, FrameStack* stack) = 0;
  };

  explicit SpanPlacer(Calls* calls) : calls_(calls) {}

  // The span of an operation that began at this place. Its parent is the open span of the thread: a
  // function's that began before the operation, in the trace that the program found there; else
  // that of a request which the thread serves; else what the thread continues.
  OperationSpan place(const OperationPlace& at, const OperationContext& context,
                      uint64_t start_ticks);

  // The innermost call that was open when the operation began waits for its end; and that has come.
  void ask(Thread* thread, OpenOperation* operation);
  void be_answered(const OpenOperation& operation, uint64_t end_ticks);

  // The thread serves this operation. `alone`: nothing else, and what it calls from here on belongs
  // to it.
  static void serve(Thread* thread, OpenOperation* operation, bool alone, uint64_t ticks);
  static void stop_serving(OpenOperation* operation);
  // The thread is about to be forgotten.
  static void forget(Thread* thread);

  int64_t to_ns(uint64_t ticks) const { return calls_->to_ns(ticks); }
  // When a span ended, if its end was told to be at these ticks: not before its start.
  int64_t end_of(const OperationSpan& span, uint64_t ticks) const;

 private:
  Calls* calls_;
};

}  // namespace telinject::drain
