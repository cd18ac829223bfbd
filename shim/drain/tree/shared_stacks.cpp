#include "shim/drain/tree/shared_stacks.h"

#include "shim/drain/tree/call_tree.h"

namespace telinject::drain {

SharedStacks::Ref SharedStacks::find(uint64_t sp) const {
  auto found = by_end_.upper_bound(sp);
  return found != by_end_.end() && found->second.stack->holds(sp) ? found->second.stack : nullptr;
}

SharedStacks::Ref SharedStacks::ending_at(uint64_t hi) const {
  auto found = by_end_.find(hi);
  return found != by_end_.end() ? found->second.stack : nullptr;
}

// Stacks 4 GiB apart look alike, so some that end behind it are looked at.
SharedStacks::Ref SharedStacks::find(uint32_t sp,
                                     const std::function<bool(const FrameStack&)>& fits) const {
  constexpr int kLooks = 16;
  auto at = by_low_half_.upper_bound({sp, UINT64_MAX});
  size_t looks = by_low_half_.size();
  for (int i = 0; i < kLooks && looks-- > 0; i++, ++at) {
    if (at == by_low_half_.end()) at = by_low_half_.begin();
    const Ref& stack = by_end_.at(at->second).stack;
    if (stack->holds32(sp) && fits(*stack)) return stack;
  }
  return nullptr;
}

void SharedStacks::insert(const Ref& stack) {
  Order* order = stack->frames.empty() ? &empty_ : &open_;
  order->push_front(stack->hi);
  by_end_[stack->hi] = {stack, order, order->begin()};
  by_low_half_.emplace(static_cast<uint32_t>(stack->hi), stack->hi);
}

void SharedStacks::remove(Table::iterator entry) {
  by_low_half_.erase({static_cast<uint32_t>(entry->first), entry->first});
  entry->second.order->erase(entry->second.place);
  by_end_.erase(entry);
}

void SharedStacks::move(const FrameStack& stack, Order* order) {
  auto found = by_end_.find(stack.hi);
  if (found == by_end_.end() || found->second.stack.get() != &stack) return;
  order->splice(order->begin(), *found->second.order, found->second.place);
  found->second.order = order;
}

SharedStacks::Ref SharedStacks::come_to(uint64_t lo, uint64_t hi, bool is_new, const Close& over,
                                        const Close& forget) {
  Ref stack = ending_at(hi);
  if (is_new) {
    for (auto at = by_end_.upper_bound(lo); at != by_end_.end();) {
      auto next = std::next(at);
      if (at->second.stack->lo >= hi) break;
      over(at->second.stack);
      if (at->first != hi) remove(at);
      at = next;
    }
  } else if (stack == nullptr) {
    // One that the program had forgotten: it has found its bounds again, more or less.
    auto near = by_end_.upper_bound(lo);
    if (near != by_end_.end() && near->second.stack->lo < hi) {
      stack = near->second.stack;
      remove(near);
      lo = std::min(lo, stack->lo);
      stack->hi = std::max(hi, stack->hi);
      insert(stack);
    }
  }
  if (stack == nullptr) {
    stack = std::make_shared<FrameStack>();
    stack->hi = hi;
    insert(stack);
  }
  stack->lo = lo;
  move(*stack, stack->frames.empty() ? &empty_ : &open_);
  while (empty_.size() > kMostEmpty) remove(by_end_.find(empty_.back()));
  while (open_.size() > most_) {
    auto coldest = by_end_.find(open_.back());
    Ref cold = coldest->second.stack;
    forget(cold);
    remove(by_end_.find(cold->hi));
  }
  return stack;
}

}  // namespace telinject::drain
