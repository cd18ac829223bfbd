// Roots, sampling, full lanes, stack switches: all that a call is rarely about.
//
// Reached by a tail jump from the fast path. Async-signal-safe, less than 1 KiB of stack (2 KiB
// where a stack is seen for the first time), no lock, no allocation; system calls only where
// attach.cpp, stacks.cpp and space.cpp say so.
//
// Re-entry. A signal may interrupt this code and its handler may be instrumented. While a lane is
// busy (busy_sp), nested hooks touch none of its state: they write bare records if there is room,
// which the drain hangs below whatever is open. A handler that leaves by longjmp, or a cancelled
// thread, may leave busy_sp behind; a frame above it on the same stack proves it stale.
#include "hooks/calls/slow_path.h"

#include "hooks/calls/attach.h"
#include "hooks/calls/context.h"
#include "hooks/calls/pending.h"
#include "hooks/calls/stacks.h"
#include "hooks/calls/untimed.h"
#include "hooks/lane/record_writer.h"
#include "hooks/lane/services.h"
#include "hooks/lane/space.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

struct Call {
  void* function;
  void* call_site;
  void* return_address;
  uintptr_t sp;
  uint64_t ticks;
};

uintptr_t address(const void* p) {
  return reinterpret_cast<uintptr_t>(p);
}

Stack& current_stack(Lane* lane) {
  return *lane->current;
}

// A task of clone(CLONE_VM) without storage of its own runs with a thread's lane, at the same time:
// it must leave no trace in it. It is told by its stack and its id. (The child of vfork stands on
// its parent's stack, and the parent waits.) Once one has been seen, all calls of the lane are
// looked at.
bool is_foreign_task(Lane* lane, uintptr_t sp) {
  if (is_known_stack(lane, sp) || g_process.restricted.load(std::memory_order_relaxed) != 0 ||
      sys::gettid() == lane->tid) {
    return false;
  }
  lane->shared = true;
  t_hook.entry_limit = 0;
  t_hook.exit_limit = 0;
  return true;
}

void lose_call(Lane* lane) {
  lane->header->lost_calls.fetch_add(1, std::memory_order_relaxed);
  lane->pending.lost++;
}

// ---- dropping whole calls

bool inside_dropped(const DropState& drop, const Call& call) {
  return call.sp < drop.sp || (call.sp == drop.sp && address(call.call_site) == drop.call_site &&
                               address(call.return_address) != drop.return_address);
}

void begin_drop(Lane* lane, const Call& call) {
  lane->drop = {
      call.sp, address(call.function), address(call.call_site), address(call.return_address), true,
      0};
  lose_call(lane);
}

enum class DroppedExit { kSuppress, kSuppressAndEnd, kEnd };

// An exit while calls are being dropped. The hook is often tail-jumped to, and then stands at the
// caller's level: its return address is the call site.
DroppedExit classify_exit(DropState* dropped, const Call& call) {
  DropState& drop = *dropped;
  bool tail = call.return_address == call.call_site;
  // A call of a function that is inlined into the dropped one. They are counted, because an exit of
  // the function that the dropped one is inlined into looks the same.
  if (!tail && call.sp == drop.sp && address(call.call_site) == drop.call_site &&
      drop.inlined > 0) {
    drop.inlined--;
    return DroppedExit::kSuppress;
  }
  if (address(call.function) == drop.function && address(call.call_site) == drop.call_site &&
      (tail ? call.sp > drop.sp : call.sp == drop.sp)) {
    return DroppedExit::kSuppressAndEnd;
  }
  return (tail ? call.sp - 1 : call.sp) < drop.sp ? DroppedExit::kSuppress : DroppedExit::kEnd;
}

// ---- roots

// "Nothing is open above": outside the root's span; or at its very stack pointer, but neither
// inlined into it (same call site, another return address) nor anything else than a new call.
bool starts_root(const Root& root, const Call& call) {
  if (!root.open || call.sp > root.sp) return true;
  return call.sp == root.sp && (address(call.call_site) != root.call_site ||
                                address(call.return_address) == root.return_address);
}

// Where a trace starts, or goes on from another thread, process or stack. The decision to sample is
// made here and holds for all below.
uint64_t open_root(Lane* lane, const Call& call) {
  note_context_asked(lane);
  if (lane->served.adopted) settle_served(lane);
  Stack& stack = current_stack(lane);
  Root& root = stack.root;
  root = {};
  root.sp = call.sp;
  root.call_site = address(call.call_site);
  root.return_address = address(call.return_address);
  root.function = address(call.function);
  root.open = true;
  root.lane = lane->index;
  uint64_t flags = 0;
  if (const Root* below = root_below(lane)) {
    flags = kRootOnStack;
    root.context = below->context;
  } else if (lane->context.valid != 0) {
    flags = kRootInherited;
    root.context = lane->context;
  }
  uint64_t number = next_root_number(lane);
  if (flags == 0) {
    TraceId id = trace_id(g_process.key, lane->index, number);
    bool chosen = sampled(id, g_process.sampling_threshold);
    root.context = {id.hi, id.lo, 0, 1, chosen ? 1u : 0u};
  }
  root.recorded = root.context.sampled != 0 || g_process.record_all;
  if (root.context.sampled == 0) flags |= kRootNotSampled;
  if (stack.unsure) {
    flags |= kRootUnsure;
    // Its calls may belong to a trace that was decided on otherwise.
    if (g_process.sampling_threshold != 0 && !g_process.record_all) {
      count_loss(LossReason::kStacks);
    }
  }
  if (root.recorded) g_process.recorded.store(1, std::memory_order_relaxed);
  return number << 8 | flags;
}

// ---- modules that dlopen brought

// After a dlopen on this thread every call comes here until one is seen from a module that is not
// known yet, or the caller of dlopen has returned, or patience ends.
void look_for_modules(Lane* lane, const Call& call) {
  bool returned = call.sp >= lane->modules_sp;
  if (!returned && is_known_module(call.return_address) && --lane->modules_patience != 0) return;
  lane->modules_pending = false;
  record_module_changes();
}

// ---- entries and exits

void enter(Lane* lane, Call call) {
  select_stack(lane, call.sp);
  if (lane->modules_pending) look_for_modules(lane, call);
  if (lane->drop.active) {
    if (inside_dropped(lane->drop, call)) {
      if (call.sp == lane->drop.sp) lane->drop.inlined++;
      lose_call(lane);
      return;
    }
    lane->drop.active = false;
  }
  Root& root = current_stack(lane).root;
  uintptr_t bytes = pending_bytes(lane) + kEntryBytes;
  uint64_t root_word = 0;
  if (starts_root(root, call)) {
    root_word = open_root(lane, call);
    bytes += kControlBytes;
  }
  if (!root.recorded) return;
  if (!make_room(lane, bytes, /*for_entry=*/true)) {
    begin_drop(lane, call);
    return;
  }
  if (lane->pending.waited != 0) call.ticks = read_ticks();
  write_pending(lane, call.ticks);
  if (root_word != 0) {
    uint64_t* record = reserve(kControlBytes + kEntryBytes);
    uint64_t* entry = record + kControlBytes / sizeof *record;
    root.position = position_of(lane, address(entry));
    put_control(record, call.ticks, ControlKind::kRoot, root_word & 0xff, root_word >> 8, call.sp);
    put_entry(entry, call.ticks, call.function, call.call_site, call.sp, call.return_address);
  } else {
    put_entry(reserve(kEntryBytes), call.ticks, call.function, call.call_site, call.sp,
              call.return_address);
  }
}

// Does this exit end the current stack's root? A function may be entered again from the root's own
// call site further down (a visitor that recurses through uninstrumented code), so the stack
// pointer decides. With alloca the root's exit stands lower than its entry and is not recognised:
// then the root ends where the next one begins.
bool ends_root(const Root& root, const Call& call) {
  if (!root.open || address(call.call_site) != root.call_site ||
      address(call.function) != root.function) {
    return false;
  }
  bool tail = call.return_address == call.call_site;
  return tail ? call.sp > root.sp : call.sp == root.sp;
}

void write_exit(Lane* lane, Call call) {
  if (make_room(lane, pending_bytes(lane) + kExitBytes, /*for_entry=*/false)) {
    if (lane->pending.waited != 0) call.ticks = read_ticks();
    write_pending(lane, call.ticks);
    put_exit(reserve(kExitBytes), call.ticks, call.function, call.sp);
    return;
  }
  // No room even for exits: they fold into one record that says up to where frames are gone.
  lane->header->merged_exits.fetch_add(1, std::memory_order_relaxed);
  lane->pending.merged++;
  lane->pending.closed_sp = call.sp;
  lane->pending.closed_function = static_cast<uint32_t>(address(call.function));
}

void leave(Lane* lane, const Call& call) {
  find_stack(lane, call.sp);
  if (lane->modules_pending) look_for_modules(lane, call);
  Root& root = current_stack(lane).root;
  bool record = !root.open || root.recorded;
  bool ends = ends_root(root, call);
  if (lane->drop.active) {
    DroppedExit what = classify_exit(&lane->drop, call);
    lane->drop.active = what == DroppedExit::kSuppress;
    record = record && what == DroppedExit::kEnd;
  }
  if (record) write_exit(lane, call);
  if (ends) close_root(lane);
}

// ---- hooks that interrupted the code above

uint64_t* reserve_nested(Lane* lane, uintptr_t bytes) {
  return has_nested_room(lane, bytes) ? reserve(bytes) : nullptr;
}

void lose_nested(Lane* lane) {
  lane->header->lost_calls.fetch_add(1, std::memory_order_relaxed);
}

void enter_nested(Lane* lane, const Call& call) {
  const Stack& stack = current_stack(lane);
  if (!stack.root.open && lane->mute) return;
  if (call.sp - stack.lo < stack.hi - stack.lo && is_announced(lane)) {
    uint64_t* record = reserve_nested(lane, kEntryBytes);
    if (record == nullptr) return lose_nested(lane);
    put_entry(record, call.ticks, call.function, call.call_site, call.sp, call.return_address);
    return;
  }
  // On another stack, whose bounds must not be looked up now: say where, and back.
  constexpr uintptr_t kBelow = 1 << 16, kAbove = 1 << 12;
  uint64_t* record = reserve_nested(lane, 2 * kControlBytes + kEntryBytes);
  if (record == nullptr) return lose_nested(lane);
  put_control(record, call.ticks, ControlKind::kStack, kBelow + kAbove, call.sp - kBelow, call.sp);
  put_entry(record + 4, call.ticks, call.function, call.call_site, call.sp, call.return_address);
  put_control(record + 8, call.ticks, ControlKind::kStack, lane->announced_hi - lane->announced_lo,
              lane->announced_lo, 0);
}

void leave_nested(Lane* lane, const Call& call) {
  if (uint64_t* record = reserve_nested(lane, kExitBytes)) {
    put_exit(record, call.ticks, call.function, call.sp);
  }
}

}  // namespace

SlowPath::SlowPath(Lane* lane, uintptr_t sp) : lane_(lane) {
  const Stack& stack = current_stack(lane);
  uintptr_t busy = lane->busy_sp;
  bool stale = busy != 0 && sp > busy && busy - stack.lo < stack.hi - stack.lo &&
               sp - stack.lo < stack.hi - stack.lo;
  entered_ = busy == 0 || stale;
  if (entered_) lane->busy_sp = sp;
}

void publish_hook_state(Lane* lane) {
  // A signal handler that interrupted the slow path has forbidden the thread the clock.
  if (TELINJECT_UNLIKELY(t_hook.lane != lane)) return;
  const Stack& stack = current_stack(lane);
  const Root& root = stack.root;
  bool fast = root.open && root.recorded && !lane->drop.active && !lane->modules_pending &&
              !has_pending(lane) && !lane->shared && g_process.clock == ClockKind::kTsc;
  // Limits last, and 0 meanwhile: a handler that comes between must not mix old and new.
  auto* hook = static_cast<volatile HookState*>(&t_hook);
  hook->entry_limit = 0;
  hook->exit_limit = 0;
  lane->mute = root.open && !root.recorded && !lane->modules_pending;
  hook->stack_lo = stack.lo;
  hook->entry_span = root.open ? root.sp - stack.lo : 0;
  hook->root_call_site = root.open ? root.call_site : 0;
  if (!fast) return;
  hook->exit_limit = lane->exit_limit;
  hook->entry_limit = lane->entry_limit;
}

void close_root(Lane* lane) {
  current_stack(lane).root.open = false;
}

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

namespace {

// Not inlined, so that what they need of registers and stack is not paid for by the two cases that
// come first below.

[[gnu::noinline]] void enter_attached(Lane* lane, void* function, void* call_site, uintptr_t sp,
                                      void* return_address) {
  if (is_foreign_task(lane, sp)) return count_loss(LossReason::kForeignTask);
  Call call = {function, call_site, return_address, sp, read_ticks()};
  SlowPath slow(lane, sp);
  if (!slow.entered()) return enter_nested(lane, call);
  enter(lane, call);
  publish_hook_state(lane);
}

TELINJECT_COLD void attach_and_enter(void* function, void* call_site, uintptr_t sp,
                                     void* return_address) {
  if (is_untimed()) return lose_untimed_call(sp);
  Lane* lane = attach_thread(sp);
  if (lane != nullptr) enter_attached(lane, function, call_site, sp, return_address);
}

[[gnu::noinline]] void leave_attached(Lane* lane, void* function, void* call_site, uintptr_t sp,
                                      void* return_address) {
  if (is_foreign_task(lane, sp)) return;
  Call call = {function, call_site, return_address, sp, read_ticks()};
  SlowPath slow(lane, sp);
  if (!slow.entered()) return leave_nested(lane, call);
  leave(lane, call);
  publish_hook_state(lane);
}

}  // namespace

// Tracing is off, or the call is below a root that was not sampled: these two return at once.

void telinject_slow_enter(void* function, void* call_site, uintptr_t sp, void* return_address) {
  Lane* lane = t_hook.lane;
  if (TELINJECT_UNLIKELY(lane == nullptr || g_alive.mask == 0)) {
    if (g_process.state.load(std::memory_order_relaxed) == ProcessState::kOff) return;
    return attach_and_enter(function, call_site, sp, return_address);
  }
  if (lane->mute && sp - t_hook.stack_lo < t_hook.entry_span) return;
  return enter_attached(lane, function, call_site, sp, return_address);
}

void telinject_slow_exit(void* function, void* call_site, uintptr_t sp, void* return_address) {
  Lane* lane = t_hook.lane;
  // A forked child that has made no call yet returns through its parent's frames: not its spans.
  if (lane == nullptr || g_alive.mask == 0) return;
  if (lane->mute && reinterpret_cast<uintptr_t>(call_site) != t_hook.root_call_site) return;
  return leave_attached(lane, function, call_site, sp, return_address);
}
