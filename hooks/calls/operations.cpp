#include "hooks/calls/operations.h"

#include "hooks/calls/attach.h"
#include "hooks/calls/messages.h"
#include "hooks/calls/slow_path.h"

namespace telinject::program {

Lane* lane_of_thread(uintptr_t sp) {
  Lane* lane = t_hook.lane;
  if (TELINJECT_LIKELY(lane != nullptr && g_alive.mask != 0)) return lane;
  return attach_thread(sp);
}

void new_trace(Lane* lane, OperationContext* context) {
  context->root_number = next_root_number(lane);
  TraceId id = trace_id(g_process.key, lane->index, context->root_number);
  context->sampled = sampled(id, g_process.sampling_threshold) ? 1 : 0;
  context->trace = {id.hi, id.lo, 0, 1, context->sampled};
  context->parent = OperationParent::kNone;
}

bool write_operation(MessageType type, const void* head, size_t head_bytes, const void* tail,
                     size_t tail_bytes, uint64_t* position, size_t records) {
  auto sp = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  Lane* lane = lane_of_thread(sp);
  if (lane == nullptr) return false;
  SlowPath slow(lane, sp);
  bool written = slow.entered() && write_placed_message(lane, type, head, head_bytes, tail,
                                                        tail_bytes, records, position);
  if (written) {
    g_process.recorded.store(1, std::memory_order_relaxed);
  } else {
    count_loss(LossReason::kQueueFull);
  }
  if (slow.entered()) publish_hook_state(lane);
  return written;
}

}  // namespace telinject::program
