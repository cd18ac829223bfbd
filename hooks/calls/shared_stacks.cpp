#include "hooks/calls/shared_stacks.h"

#include <sys/mman.h>

#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

// A page's number, and that of a stack, from 1. 0: free, and never again once it was taken.
using Slot = std::atomic<uint64_t>;
constexpr uint32_t kIndexBits = 20;
constexpr uint64_t kIndexMask = (1 << kIndexBits) - 1;
constexpr uint32_t kPageShift = 12;
constexpr uint32_t kProbes = 16;

struct Table {
  Slot* slots;
  Stack* stacks;
  uint32_t slot_mask, stack_mask;
  std::atomic<uint32_t> next;  // to be used, or used again
  std::atomic<uint64_t> ids;
  std::atomic<uint32_t> forgotten;  // stacks that had calls open
};

constexpr uint32_t kStacks = 1 << 17, kSlots = 1 << 19;
static_assert(kStacks <= kIndexMask);
constexpr size_t kTableBytes =
    sizeof(Table) + kStacks * sizeof(Stack) + kSlots * sizeof(Slot) + kPageBytes;

// Where no memory can be had for more.
constexpr uint32_t kFewStacks = 64, kFewSlots = 256;
Slot g_few_slots[kFewSlots];
Stack g_few_stacks[kFewStacks];
constinit Table g_few = {g_few_slots, g_few_stacks, kFewSlots - 1, kFewStacks - 1, {}, {}, {}};

std::atomic<Table*> g_table;

Table* table() {
  return g_table.load(std::memory_order_acquire);
}

Table* make_table() {
  Table* made = &g_few;
  if (g_process.restricted.load(std::memory_order_relaxed) == 0) {
    long memory = sys::call(SYS_mmap, 0, kTableBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!sys::failed(memory)) {
      made = reinterpret_cast<Table*>(memory);
      made->stacks = reinterpret_cast<Stack*>(made + 1);
      made->slots = reinterpret_cast<Slot*>(made->stacks + kStacks);
      made->stack_mask = kStacks - 1;
      made->slot_mask = kSlots - 1;
    }
  }
  Table* none = nullptr;
  if (g_table.compare_exchange_strong(none, made, std::memory_order_acq_rel)) return made;
  if (made != &g_few) sys::call(SYS_munmap, sys::arg(made), kTableBytes);
  return none;
}

bool holds(const Stack& stack, uintptr_t sp) {
  return sp - stack.lo < stack.hi - stack.lo;
}

void set_bounds(Stack* stack, uintptr_t lo, uintptr_t hi) {
  __atomic_store_n(&stack->lo, lo, __ATOMIC_RELEASE);
  __atomic_store_n(&stack->hi, hi, __ATOMIC_RELEASE);
}

uint32_t first_slot(const Table* t, uint64_t page) {
  return static_cast<uint32_t>(page * 0x9e3779b97f4a7c15 >> 40) & t->slot_mask;
}

Stack* stack_in(const Table* t, uint64_t slot) {
  return &t->stacks[((slot & kIndexMask) - 1) & t->stack_mask];
}

// Calls back with each stack that was seen in that page.
template <typename Each>
void each_in_page(const Table* t, uint64_t page, Each&& each) {
  uint32_t first = first_slot(t, page);
  for (uint32_t i = 0; i < kProbes; i++) {
    uint64_t slot = t->slots[(first + i) & t->slot_mask].load(std::memory_order_acquire);
    if (slot == 0) return;
    if (slot >> kIndexBits == page) each(stack_in(t, slot));
  }
}

bool has_user(const Stack* stack) {
  const Lane* user = __atomic_load_n(&stack->user, __ATOMIC_ACQUIRE);
  return user != nullptr && __atomic_load_n(&user->current, __ATOMIC_RELAXED) == stack;
}

// One with nothing open; or else the first that no thread is on. Null if all are in use.
Stack* take(Table* t) {
  constexpr uint32_t kTries = 64;
  Stack* second_best = nullptr;
  for (uint32_t i = 0; i < kTries; i++) {
    uint32_t index = t->next.fetch_add(1, std::memory_order_relaxed) & t->stack_mask;
    Stack* stack = &t->stacks[index];
    if (has_user(stack)) continue;
    if (stack->hi == stack->lo || !stack->root.open) return stack;
    if (second_best == nullptr) second_best = stack;
  }
  if (second_best != nullptr) t->forgotten.store(1, std::memory_order_relaxed);
  return second_best;
}

}  // namespace

Stack* find_shared_stack(uintptr_t sp) {
  const Table* t = table();
  if (t == nullptr) return nullptr;
  Stack* found = nullptr;
  each_in_page(t, sp >> kPageShift, [&](Stack* stack) {
    if (holds(*stack, sp) && (found == nullptr || stack->id > found->id)) found = stack;
  });
  return found;
}

Stack* find_exact_stack(uintptr_t sp) {
  constexpr uint32_t kPages = 16;
  const Table* t = table();
  if (t == nullptr) return nullptr;
  Stack* found = nullptr;
  for (uint32_t i = 1; i <= kPages && found == nullptr; i++) {
    each_in_page(t, (sp >> kPageShift) + i, [&](Stack* stack) {
      if (stack->exact && holds(*stack, sp) && (found == nullptr || stack->id > found->id)) {
        found = stack;
      }
    });
  }
  return found;
}

Stack* add_shared_stack(uintptr_t lo, uintptr_t hi, bool exact) {
  Table* t = table();
  if (t == nullptr) t = make_table();
  Stack* stack = take(t);
  if (stack == nullptr) return nullptr;
  set_bounds(stack, 0, 0);  // not to be found meanwhile
  stack->id = t->ids.fetch_add(1, std::memory_order_relaxed) + 1;
  stack->kind = StackKind::kShared;
  stack->exact = exact;
  stack->open_end = false;
  stack->unsure = t->forgotten.load(std::memory_order_relaxed) != 0 && !exact;
  stack->fresh = !stack->unsure;
  stack->root = {};
  set_bounds(stack, lo, hi);
  remember_page(stack, hi - 1);
  return stack;
}

void remember_page(const Stack* stack, uintptr_t sp) {
  const Table* t = table();
  uint64_t page = sp >> kPageShift;
  uint64_t word = page << kIndexBits | static_cast<uint64_t>(stack - t->stacks + 1);
  uint32_t first = first_slot(t, page);
  Slot* place = nullptr;
  for (uint32_t i = 0; i < kProbes; i++) {
    Slot* slot = &t->slots[(first + i) & t->slot_mask];
    uint64_t there = slot->load(std::memory_order_relaxed);
    if (there == 0 && slot->compare_exchange_strong(there, word, std::memory_order_acq_rel)) return;
    if (there == word) return;
    const Stack* other = stack_in(t, there);
    uintptr_t start = there >> kIndexBits << kPageShift;
    bool stale = other->hi <= start || other->lo >= start + kPageBytes;
    if (place == nullptr && stale) place = slot;
  }
  if (place == nullptr) place = &t->slots[(first + page % kProbes) & t->slot_mask];
  place->store(word, std::memory_order_release);
}

// Page by page from the upper end, where stacks begin; no more of a large one than a megabyte: what
// is further down is older than the stack that is added now, and gives way to it.
void forget_shared_stacks(uintptr_t lo, uintptr_t hi) {
  constexpr uint32_t kPages = 256;
  const Table* t = table();
  if (t == nullptr || hi <= lo) return;
  uint64_t page = (hi - 1) >> kPageShift, last = lo >> kPageShift;
  for (uint32_t i = 0; i < kPages && page >= last; i++, page--) {
    each_in_page(t, page, [&](Stack* stack) {
      if (stack->hi - 1 - lo >= hi - lo) return;
      set_bounds(stack, 0, 0);
    });
  }
}

void forget_all_shared_stacks() {
  Table* t = table();
  if (t == nullptr) return;
  g_table.store(nullptr, std::memory_order_release);
  if (t != &g_few) {
    if (g_process.restricted.load(std::memory_order_relaxed) == 0) {
      sys::call(SYS_munmap, sys::arg(t), kTableBytes);
    }
    return;
  }
  for (Slot& slot : g_few_slots) slot.store(0, std::memory_order_relaxed);
  for (Stack& stack : g_few_stacks) stack = {};
}

}  // namespace telinject::program
