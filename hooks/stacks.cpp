#include "hooks/stacks.h"

#include <signal.h>

#include "hooks/maps.h"
#include "shim/channel/syscall.h"

namespace telinject {

namespace {

struct ContextStack {
  std::atomic<uintptr_t> lo, hi;
};
constexpr uint32_t kContextStacks = 256;
ContextStack g_context_stacks[kContextStacks];
std::atomic<uint32_t> g_context_stack_count;

bool holds(const Stack& stack, uintptr_t sp) {
  return sp - stack.lo < stack.hi - stack.lo;
}

uintptr_t thread_pointer() {
  uintptr_t pointer;
  __asm__("movq %%fs:0, %0" : "=r"(pointer));
  return pointer;
}

bool restricted() {
  return g_process.restricted.load(std::memory_order_relaxed) != 0;
}

// The newest first: a block of memory may have been used for several coroutines in turn.
bool context_stack(uintptr_t sp, Stack* out) {
  uint32_t count = g_context_stack_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < kContextStacks && i < count; i++) {
    const ContextStack& entry = g_context_stacks[(count - 1 - i) % kContextStacks];
    uintptr_t lo = entry.lo.load(std::memory_order_relaxed);
    uintptr_t hi = entry.hi.load(std::memory_order_relaxed);
    if (sp - lo < hi - lo) {
      out->lo = lo;
      out->hi = hi;
      out->kind = StackKind::kOther;
      return true;
    }
  }
  return false;
}

bool alternate_stack(uintptr_t sp, Stack* out) {
  stack_t current = {};
  if (sys::failed(sys::call(SYS_sigaltstack, 0, sys::arg(&current)))) return false;
  auto lo = reinterpret_cast<uintptr_t>(current.ss_sp);
  if (current.ss_size == 0 || sp - lo >= current.ss_size) return false;
  out->lo = lo;
  out->hi = lo + current.ss_size;
  out->kind = StackKind::kAlternate;
  return true;
}

// A guess for when nothing may be asked: one stack of the smallest usual size.
void guess_stack(uintptr_t sp, Stack* out) {
  constexpr uintptr_t kBelow = 60 * 1024, kAbove = 4 * 1024;
  out->lo = sp - kBelow;
  out->hi = sp + kAbove;
  out->kind = StackKind::kOther;
}

void find_bounds(uintptr_t sp, Stack* out) {
  if (context_stack(sp, out)) return;
  if (!restricted()) {
    if (alternate_stack(sp, out)) return;
    Mapping mapping;
    if (find_mapping(sp, &mapping)) {
      out->lo = mapping.start;
      out->hi = mapping.end;
      out->kind = StackKind::kOther;
      return;
    }
  }
  guess_stack(sp, out);
}

int known_stack(const Lane* lane, uintptr_t sp) {
  for (uint32_t i = 0; i < kStacks; i++) {
    if (holds(lane->stacks[i], sp)) return static_cast<int>(i);
  }
  return -1;
}

// The least recently used entry but never the thread's own; a stack that is thrown out and comes
// back starts a new trace of its own in the program's eyes, while the drain still knows its frames.
uint32_t oldest_stack(const Lane* lane) {
  uint32_t oldest = 1;
  for (uint32_t i = 2; i < kStacks; i++) {
    if (lane->stacks[i].last_used < lane->stacks[oldest].last_used) oldest = i;
  }
  return oldest;
}

void switch_to(Lane* lane, uint32_t index) {
  lane->came_from = lane->current;
  lane->current = index;
  lane->stacks[index].last_used = ++lane->stack_clock;
}

}  // namespace

void set_home_stack(Lane* lane, uintptr_t lo, uintptr_t hi) {
  lane->stacks[0] = {};
  lane->stacks[0].lo = lo;
  lane->stacks[0].hi = hi;
  lane->stacks[0].kind = StackKind::kHome;
}

void find_home_stack(Lane* lane, uintptr_t sp, uint64_t stack_bytes) {
  uintptr_t top = thread_pointer();
  if (sp - g_process.main_stack_lo < g_process.main_stack_hi - g_process.main_stack_lo) {
    set_home_stack(lane, g_process.main_stack_lo, g_process.main_stack_hi);
  } else if (stack_bytes != 0 && sp < top && top - sp < stack_bytes) {
    set_home_stack(lane, top - stack_bytes, top);
  } else {
    Stack stack = {};
    Mapping mapping;
    if (!restricted() && find_mapping(sp, &mapping)) {
      stack.lo = mapping.start;
      stack.hi = mapping.end;
    } else {
      guess_stack(sp, &stack);
    }
    // A thread's stack ends at its thread pointer; above it the mapping may go on with another's.
    if (top > sp && top < stack.hi) stack.hi = top;
    set_home_stack(lane, stack.lo, stack.hi);
  }
}

void find_stack(Lane* lane, uintptr_t sp) {
  if (holds(lane->stacks[lane->current], sp)) return;
  int index = known_stack(lane, sp);
  if (index >= 0) switch_to(lane, static_cast<uint32_t>(index));
}

const Stack& stack_at(const Lane* lane, uintptr_t sp) {
  const Stack& current = lane->stacks[lane->current];
  if (holds(current, sp)) return current;
  int index = known_stack(lane, sp);
  return index >= 0 ? lane->stacks[index] : current;
}

bool is_known_stack(const Lane* lane, uintptr_t sp) {
  return holds(lane->stacks[lane->current], sp) || known_stack(lane, sp) >= 0;
}

void select_stack(Lane* lane, uintptr_t sp) {
  if (holds(lane->stacks[lane->current], sp)) return;
  int index = known_stack(lane, sp);
  if (index < 0) {
    Stack stack = {};
    find_bounds(sp, &stack);
    Stack& home = lane->stacks[0];
    if (home.lo >= stack.lo && home.hi <= stack.hi) {
      // The thread's own stack reaches further down than was thought (a limit that was raised).
      home.lo = stack.lo;
      index = 0;
    } else {
      index = static_cast<int>(oldest_stack(lane));
      lane->stacks[index] = stack;
      if (lane->announced == static_cast<uint32_t>(index)) lane->announced = kStacks;
    }
  }
  switch_to(lane, static_cast<uint32_t>(index));
}

void forget_stacks(Lane* lane, uintptr_t lo, uintptr_t hi) {
  for (uint32_t i = 1; i < kStacks; i++) {
    Stack& stack = lane->stacks[i];
    if (i == lane->current || stack.lo >= hi || stack.hi <= lo) continue;
    stack = {};
    if (lane->announced == i) lane->announced = kStacks;
  }
}

void note_context_stack(uintptr_t lo, uintptr_t hi) {
  uint32_t index = g_context_stack_count.fetch_add(1, std::memory_order_acq_rel) % kContextStacks;
  g_context_stacks[index].hi.store(lo, std::memory_order_relaxed);
  g_context_stacks[index].lo.store(lo, std::memory_order_relaxed);
  g_context_stacks[index].hi.store(hi, std::memory_order_release);
}

}  // namespace telinject
