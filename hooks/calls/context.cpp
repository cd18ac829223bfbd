#include "hooks/calls/context.h"

#include "hooks/calls/attach.h"
#include "hooks/calls/slow_path.h"
#include "hooks/calls/stacks.h"
#include "hooks/lane/record_writer.h"
#include "hooks/lane/space.h"

namespace telinject::program {

namespace {

constexpr int kMaxSteps = 4096;

// Walks a lane's records backwards, unit by unit, through its last two chunks. Stops at what is not
// written or already zeroed.
class BackwardWalk {
 public:
  explicit BackwardWalk(const Lane* lane)
      : lane_(lane), base_(lane->base), at_(t_hook.cursor), number_(lane->number) {}

  // The next older record; null at the end.
  const uint64_t* next() {
    if (at_ - base_ < kUnitBytes && !enter_previous_chunk()) return nullptr;
    const uint64_t* unit = word(at_ - kUnitBytes);
    if (is_exit(*unit)) {
      at_ -= kUnitBytes;
      return unit;
    }
    if (!is_second_unit(*unit) || at_ - base_ < kEntryBytes) return nullptr;
    at_ -= kEntryBytes;
    const uint64_t* record = word(at_);
    return *record == 0 ? nullptr : record;
  }
  uint64_t position() const { return lane_position(number_, at_ - base_); }

 private:
  static const uint64_t* word(uintptr_t address) {
    return reinterpret_cast<const uint64_t*>(address);
  }
  bool enter_previous_chunk() {
    if (number_ != lane_->number || lane_->previous_base == 0) return false;
    number_--;
    base_ = lane_->previous_base;
    at_ = lane_->previous_end;
    return at_ - base_ >= kUnitBytes;
  }
  const Lane* lane_;
  uintptr_t base_, at_;
  uint64_t number_;
};

// The innermost call whose frame is still there: its exit has not been seen, and its frame is not
// below the current stack pointer (a frame that was left without its exit is).
bool innermost_open(const Lane* lane, const Stack& stack, uintptr_t sp, uint64_t* position) {
  // The record is on another stack: the thread has been there meanwhile, or has come from there.
  auto elsewhere = [&](uint32_t record_sp) {
    return static_cast<uint32_t>(stack.hi) - record_sp > stack.hi - stack.lo;
  };
  BackwardWalk walk(lane);
  uint64_t exits = 0;
  for (int i = 0; i < kMaxSteps; i++) {
    const uint64_t* record = walk.next();
    if (record == nullptr) return false;
    if (is_exit(*record)) {
      if (*record != kVoid && !elsewhere(static_cast<uint32_t>(record[1] >> 32))) exits++;
      continue;
    }
    if (is_control(record[1]) || elsewhere(static_cast<uint32_t>(record[3]))) continue;
    if (exits > 0) {
      exits--;
      continue;
    }
    auto entry_sp = static_cast<uint32_t>(record[3]);
    if (static_cast<int32_t>(entry_sp - static_cast<uint32_t>(sp)) < 0) continue;
    *position = walk.position();
    return true;
  }
  return false;
}

}  // namespace

bool current_context(uintptr_t sp, TraceContext* out) {
  Lane* lane = t_hook.lane;
  if (lane == nullptr || g_alive.mask == 0) {
    *out = t_spawn_context.context;
    return out->valid != 0;
  }
  note_context_asked(lane);
  const Stack& stack = stack_at(lane, sp);
  const Root& root = stack.root;
  if (lane->served.adopted) settle_served(lane);
  if (lane->served.adopted) {
    // A call that began since the request came is its span's; one that waited for it is not.
    *out = lane->served.context;
    uint64_t called = 0;
    if (root.open && root.context.sampled != 0 && innermost_open(lane, stack, sp, &called) &&
        called > lane->served.position) {
      out->span_id = span_id(g_process.key, lane->index, called);
    }
    return true;
  }
  if (!root.open) {
    *out = lane->context;
    return out->valid != 0;
  }
  *out = root.context;
  uint64_t position = root.position;
  bool here = root.recorded && innermost_open(lane, stack, sp, &position);
  // No span is written for a trace that is not sampled, but it needs a valid id.
  out->span_id = span_id(g_process.key, here ? lane->index : root.lane, position);
  return true;
}

void serve(Lane* lane, const TraceContext& context, uint64_t position, uint64_t connection,
           uint32_t exchange) {
  ServedRequest& served = lane->served;
  served.outer = lane->context;
  served.context = context;
  served.position = position;
  served.connection = connection;
  served.exchange = exchange;
  __atomic_store_n(&served.over, 0, __ATOMIC_RELAXED);
  lane->context = context;
  served.adopted = true;
}

void stop_serving(Lane* lane) {
  if (!lane->served.adopted) return;
  lane->served.adopted = false;
  lane->context = lane->served.outer;
}

RecordRef mark_record(ControlKind kind, uintptr_t sp) {
  Lane* lane = t_hook.lane;
  if (lane == nullptr || g_alive.mask == 0 || lane->mute) return {};
  SlowPath slow(lane, sp);
  if (!slow.entered() || !make_room(lane, kControlBytes, /*for_entry=*/false)) return {};
  uint64_t* record = reserve(kControlBytes);
  uint64_t position = position_of(lane, reinterpret_cast<uintptr_t>(record));
  put_control(record, read_ticks(), kind, 0, 0, sp);
  publish_hook_state(lane);
  return {g_process.key.k0, position, lane->index, 0};
}

}  // namespace telinject::program
