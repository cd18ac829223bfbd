#include "hooks/calls/stacks.h"

#include <signal.h>

#include "arch/x86_64/registers.h"
#include "hooks/calls/shared_stacks.h"
#include "hooks/calls/slow_path.h"
#include "hooks/calls/stack_origin.h"
#include "hooks/lane/maps.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

bool holds(const Stack& stack, uintptr_t sp) {
  return sp - stack.lo < stack.hi - stack.lo;
}

bool restricted() {
  return g_process.restricted.load(std::memory_order_relaxed) != 0;
}

bool alternate_stack(uintptr_t sp, Stack* out) {
  stack_t current = {};
  if (sys::failed(sys::call(SYS_sigaltstack, 0, sys::arg(&current)))) return false;
  auto lo = reinterpret_cast<uintptr_t>(current.ss_sp);
  if (current.ss_size == 0 || sp - lo >= current.ss_size) return false;
  out->lo = lo;
  out->hi = lo + current.ss_size;
  return true;
}

// A guess for when nothing may be asked: one stack of the smallest usual size.
void guess_stack(uintptr_t sp, Stack* out) {
  constexpr uintptr_t kBelow = 60 * 1024, kAbove = 4 * 1024;
  out->lo = sp - kBelow;
  out->hi = sp + kAbove;
}

Stack* known_stack(Lane* lane, uintptr_t sp) {
  Stack* current = lane->current;
  bool certain = current->exact || current->kind != StackKind::kShared;
  if (certain && holds(*current, sp)) return current;
  for (Stack& own : lane->stacks) {
    if (holds(own, sp)) return &own;
  }
  return find_shared_stack(sp);
}

void switch_to(Lane* lane, Stack* stack) {
  if (lane->current == stack) return;
  lane->tell_origin = !is_announced(lane) && !stack->root.open;
  lane->came_from = lane->current;
  lane->came_from_id = lane->current->id;
  __atomic_store_n(&stack->user, lane, __ATOMIC_RELEASE);
  __atomic_store_n(&lane->current, stack, __ATOMIC_RELEASE);
}

// A stack that was found by walking it is known where calls were seen, and this much below: its
// neighbour may begin there.
constexpr uintptr_t kSeen = 1024;

// True if it is a stack that a call at `sp` stands on, though it was not known to reach that far.
bool reach(Stack* stack, uintptr_t sp, const StackOrigin& origin) {
  constexpr uintptr_t kFar = 1 << 20, kNear = 1 << 14;
  if (holds(*stack, sp)) {
    // In a page that no call was seen in.
  } else if (stack->exact || stack->kind == StackKind::kAlternate) {
    return false;
  } else if (sp < stack->lo && stack->lo - sp < (origin.joins != nullptr ? kFar : kNear)) {
    stack->lo = sp - kSeen;
  } else if (sp >= stack->hi && stack->open_end && sp - stack->hi < kNear) {
    stack->hi = origin.end;
    stack->open_end = !origin.certain;
  } else {
    return false;
  }
  if (stack->kind == StackKind::kShared) remember_page(stack, sp);
  return true;
}

// The stack that holds `sp`, which none is known to.
Stack* discover(Lane* lane, uintptr_t sp) {
  if (Stack* stack = find_exact_stack(sp)) {
    remember_page(stack, sp);
    return stack;
  }
  Stack found = {};
  if (!restricted() && alternate_stack(sp, &found)) {
    found.kind = StackKind::kAlternate;
    found.fresh = true;
    lane->stacks[1] = found;
    return &lane->stacks[1];
  }
  StackOrigin origin = find_origin(lane, sp, known_stack);
  Stack* near = origin.joins;
  if (near == nullptr && !origin.certain) near = lane->current;
  if (near != nullptr && reach(near, sp, origin)) return near;
  Stack* stack = add_shared_stack(sp - kSeen, origin.end, /*exact=*/false);
  if (stack != nullptr) {
    stack->open_end = !origin.certain;
    remember_page(stack, sp);
  }
  return stack;
}

}  // namespace

void set_home_stack(Lane* lane, uintptr_t lo, uintptr_t hi) {
  Stack& home = lane->stacks[0];
  home = {};
  home.lo = lo;
  home.hi = hi;
  home.kind = StackKind::kHome;
  lane->current = lane->came_from = &home;
  lane->announced_lo = lo;
  lane->announced_hi = hi;
}

// A thread's first call may be made on a coroutine's stack: what tells its own comes first.
void find_home_stack(Lane* lane, uintptr_t sp, uint64_t stack_bytes) {
  uintptr_t top = arch::thread_pointer();
  if (sp - g_process.main_stack_lo < g_process.main_stack_hi - g_process.main_stack_lo) {
    set_home_stack(lane, g_process.main_stack_lo, g_process.main_stack_hi);
  } else if (stack_bytes != 0 && stack_bytes < top) {
    set_home_stack(lane, top - stack_bytes, top);
  } else if (lane->tid == g_process.pid && g_process.main_stack_hi != 0) {
    set_home_stack(lane, g_process.main_stack_lo, g_process.main_stack_hi);
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
  if (Stack* stack = known_stack(lane, sp)) switch_to(lane, stack);
}

const Stack& stack_at(Lane* lane, uintptr_t sp) {
  const Stack* stack = known_stack(lane, sp);
  return stack != nullptr ? *stack : *lane->current;
}

bool is_known_stack(Lane* lane, uintptr_t sp) {
  return known_stack(lane, sp) != nullptr;
}

void select_stack(Lane* lane, uintptr_t sp) {
  Stack* stack = known_stack(lane, sp);
  if (stack == nullptr) stack = discover(lane, sp);
  if (stack != nullptr) switch_to(lane, stack);
}

const Stack* stack_before(const Lane* lane) {
  return lane->came_from->id == lane->came_from_id ? lane->came_from : nullptr;
}

const Root* root_below(const Lane* lane) {
  if (lane->current->kind == StackKind::kHome) return nullptr;
  const Stack* before = stack_before(lane);
  if (before != nullptr && before != lane->current && before->root.open) return &before->root;
  const Root& home = lane->stacks[0].root;
  return home.open ? &home : nullptr;
}

void note_context_stack(Lane* lane, uintptr_t lo, uintptr_t hi, uintptr_t sp) {
  forget_shared_stacks(lo, hi);
  if (hi <= lo) return;
  add_shared_stack(lo, hi, /*exact=*/true);
  if (lane == nullptr) return;
  SlowPath slow(lane, sp);
  if (!slow.entered() || lane->current->hi != 0) return;
  // The thread was on a stack that is used again: it must be elsewhere by now.
  Stack* stack = known_stack(lane, sp);
  switch_to(lane, stack != nullptr ? stack : &lane->stacks[0]);
  publish_hook_state(lane);
}

bool note_switch(uintptr_t from, uintptr_t to) {
  Lane* lane = t_hook.lane;
  if (lane == nullptr || g_alive.mask == 0) return true;
  Stack* source = known_stack(lane, from);
  Stack* target = known_stack(lane, to);
  if (source == target && source != nullptr) return false;
  if (target == nullptr && (target = find_exact_stack(to)) != nullptr) remember_page(target, to);
  SlowPath slow(lane, from);
  if (!slow.entered()) return true;
  if (source != nullptr) {
    switch_to(lane, source);
    if (source->kind == StackKind::kShared) remember_page(source, from);  // where it comes back to
  }
  if (target != nullptr) switch_to(lane, target);
  publish_hook_state(lane);
  return true;
}

}  // namespace telinject::program
