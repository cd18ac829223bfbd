// The stacks of a process that are no thread's own: coroutines', which any thread may resume.
//
// Found by stack pointer, also by its low half, which is all that entries and exits carry. Bounded:
// of stacks with nothing open the 256 used last are kept; of those with open calls kMost, and the
// one that was left alone longest gives way.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <utility>

namespace telinject::drain {

struct FrameStack;  // call_tree.h

class SharedStacks {
 public:
  using Ref = std::shared_ptr<FrameStack>;
  using Close = std::function<void(const Ref& stack)>;
  static constexpr size_t kMost = size_t{1} << 18;
  static constexpr size_t kMostEmpty = 256;

  explicit SharedStacks(size_t most = kMost) : most_(most) {}

  Ref find(uint64_t sp) const;
  // By the upper end.
  Ref ending_at(uint64_t hi) const;
  // By the low half of a stack pointer: the first that `fits`.
  Ref find(uint32_t sp, const std::function<bool(const FrameStack&)>& fits) const;

  // A thread has come to the stack [lo, hi). `is_new`: what is open in that memory is over, and is
  // to be closed by `over`. `forget`: closes the calls of a stack that gives way.
  Ref come_to(uint64_t lo, uint64_t hi, bool is_new, const Close& over, const Close& forget);

  // The first frame of a stack was entered, or its last one left.
  void filled(const FrameStack& stack) { move(stack, &open_); }
  void emptied(const FrameStack& stack) { move(stack, &empty_); }

  bool any_open() const { return !open_.empty(); }
  size_t size() const { return by_end_.size(); }
  template <typename Each>
  void each(Each&& each) const {
    for (const auto& [hi, entry] : by_end_) each(*entry.stack);
  }

  // Calls that were entered so far, on any stack of the process.
  uint64_t opened = 0;

  template <typename Archive>
  void io(Archive& a);  // call_tree.h

 private:
  using Order = std::list<uint64_t>;  // upper ends, the one used last in front
  struct Entry {
    Ref stack;
    Order* order;
    Order::iterator place;
  };
  using Table = std::map<uint64_t, Entry>;

  void insert(const Ref& stack);
  void remove(Table::iterator entry);
  void move(const FrameStack& stack, Order* order);

  size_t most_;
  Table by_end_;
  std::set<std::pair<uint32_t, uint64_t>> by_low_half_;  // of the upper end; and that
  Order open_, empty_;
};

}  // namespace telinject::drain
