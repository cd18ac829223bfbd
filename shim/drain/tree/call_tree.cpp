#include "shim/drain/tree/call_tree.h"

#include <algorithm>
#include <utility>

#include "shim/drain/naming/function_totals.h"
#include "shim/drain/naming/sites.h"

namespace telinject::drain {

namespace {

// Implicit roots (their own record was lost) are numbered by their position, in a range that the
// program's root numbers do not reach.
constexpr uint64_t kImplicitRoot = uint64_t{1} << 52;

bool is_prefix(const std::vector<uint64_t>& shorter, const std::vector<uint64_t>& longer) {
  if (shorter.size() > longer.size()) return false;
  for (size_t i = 0; i < shorter.size(); i++) {
    if (shorter[i] != longer[i]) return false;
  }
  return true;
}

}  // namespace

Frame FrameStack::pop() {
  Frame frame = frames.back();
  frames.pop_back();
  if (frames.empty()) return frame;
  Frame& caller = frames.back();
  add_ns(&caller.waited_ns, frame.waited_ns);
  add_ns(&caller.preempted_ns, frame.preempted_ns);
  caller.lost_calls += frame.lost_calls;
  add_ns(&caller.delayed_ns, frame.delayed_ns);
  return frame;
}

CallTree::CallTree(SegmentKey key, uint32_t lane, uint64_t stack_lo, uint64_t stack_hi,
                   std::optional<ParentContext> context, SharedStacks* shared,
                   SiteResolver* resolver, Listener* listener)
    : key_(key),
      lane_(lane),
      context_(context),
      shared_(shared),
      resolver_(resolver),
      listener_(listener) {
  home_->lo = stack_lo;
  home_->hi = stack_hi;
  told_ = home_.get();
}

void CallTree::close_top(FrameStack* stack, ExitKind kind, uint64_t ticks, bool upper_bound) {
  Frame frame = stack->pop();
  if (stack->frames.empty() && stack != home_.get()) shared_->emptied(*stack);
  told_ = stack;
  listener_->closed(this, frame, kind, ticks, upper_bound);
}

// A record of the thread after an exec that did not fail: the child of vfork has executed, and its
// parent runs on.
void CallTree::settle() {
  if (!exec_pending_) return;
  exec_pending_ = false;
  close_vforked(ExitKind::kExec, exec_ticks_);
}

void CallTree::root(uint64_t flags, uint64_t number, uint64_t) {
  root_ = PendingRoot{flags, number};
}

// The frames that cannot be open any more when a call is entered.
void CallTree::pop_gone(FrameStack* stack, const Frame& entering) {
  auto& frames = stack->frames;
  ExitKind kind = exiting() ? ExitKind::kThreadEnd : ExitKind::kUnwound;
  while (!frames.empty() && frames.back().sp <= entering.sp &&
         frames.back().call_site != entering.call_site) {
    close_top(stack, kind, entering.ticks, true);
  }
  // The same hook call in the same physical frame: what was entered there has been left.
  for (size_t i = frames.size(); i-- > 0 && frames[i].sp == entering.sp;) {
    if (frames[i].return_address != entering.return_address ||
        frames[i].function != entering.function || frames[i].call_site != entering.call_site) {
      continue;
    }
    while (frames.size() > i) close_top(stack, kind, entering.ticks, true);
    break;
  }
}

// The call site lies in the function that calls. What lies above that one's frame has been left: by
// an exception that runs a destructor, by a cancelled thread that runs a cleanup handler. Says
// nothing where the caller is not open at all, being uninstrumented. (Nor does it say which of the
// functions inlined there calls: clang merges equal calls of several, and they lose their scope.
// That gave 0.7 % wrong parents where there were none.)
void CallTree::pop_above_caller(FrameStack* stack, const Frame& entering) {
  auto& frames = stack->frames;
  uint64_t caller = entering.site->caller;
  if (frames.empty() || caller == 0 || frames.back().call_site == entering.call_site) return;
  auto in_caller = [&](const Frame& frame) {
    return !frame.site->chain.empty() && frame.site->chain.front() == caller;
  };
  // As far as an exception leads at a time, as a rule; an uninstrumented caller is not to be looked
  // for in a recursion a hundred thousand deep, at each of its calls.
  constexpr size_t kFar = 1000;
  size_t keep = frames.size(), last = keep > kFar ? keep - kFar : 0;
  while (keep > last && !in_caller(frames[keep - 1])) keep--;
  if (keep == last) return;
  ExitKind kind = exiting() ? ExitKind::kThreadEnd : ExitKind::kUnwound;
  while (frames.size() > keep) close_top(stack, kind, entering.ticks, true);
}

FrameStack* CallTree::stack_below(const FrameStack* stack) const {
  if (stack == home_.get() || stack != current_.get()) return nullptr;
  return inner_stack(came_from_);
}

// A stack with nothing open any more has gone back to the one that it was entered from.
FrameStack* CallTree::inner_stack(const StackRef& from) const {
  constexpr int kFar = 64;
  StackRef stack = from;
  for (int i = 0; i < kFar && stack->frames.empty() && stack != home_; i++) {
    StackRef below = stack->entered_from != 0 ? shared_->ending_at(stack->entered_from) : nullptr;
    stack = below != nullptr && below != stack ? below : home_;
  }
  return stack->frames.empty() ? nullptr : stack.get();
}

// Trace and parent of a new frame.
void CallTree::place(FrameStack* stack, Frame* frame, uint64_t position) {
  const FrameStack* above = stack->frames.empty() ? stack_below(stack) : stack;
  const Frame* parent = above != nullptr ? &above->frames.back() : nullptr;
  bool inherits = !root_.has_value() || (root_->flags & kRootInherited) != 0;
  frame->span_id = span_id(key_, lane_, position);
  frame->parent_span_id = 0;
  frame->first_of_trace = false;
  // The outermost call's decision holds for all below, whichever trace they belong to; but what is
  // called for a request whose sender keeps no trace is kept nowhere.
  if (parent != nullptr) {
    frame->sampled = parent->sampled;
  } else if (root_.has_value()) {
    frame->sampled = (root_->flags & kRootNotSampled) == 0;
  } else {
    frame->sampled = !context_.has_value() || context_->sampled;
  }
  if (adopter_.has_value() && is_adopted(above)) {
    frame->trace = adopter_->trace;
    frame->parent_span_id = adopter_->span_id;
    frame->sampled = frame->sampled && adopter_->sampled;
  } else if (parent != nullptr) {
    frame->trace = parent->trace;
    frame->parent_span_id = parent->parent_of_children();
  } else if (context_.has_value() && inherits) {
    frame->trace = context_->trace;
    frame->parent_span_id = context_->span_id;
    frame->first_of_trace = true;
  } else {
    uint64_t number = root_.has_value() ? root_->number : kImplicitRoot | position >> 4;
    frame->trace = trace_id(key_, lane_, number);
    frame->first_of_trace = true;
  }
}

void CallTree::entry(const uint64_t* record, uint64_t position, uint64_t ticks, int64_t ns) {
  settle();
  last_ticks_ = ticks;
  const StackRef& on = stack_of(static_cast<uint32_t>(record[3]), 0);
  FrameStack* stack = on.get();
  // What is open there is not lost when the program cannot say whether there is anything.
  bool unsure = root_.has_value() && (root_->flags & kRootUnsure) != 0;
  if (root_.has_value() && !unsure) {
    while (!stack->frames.empty()) close_top(stack, ExitKind::kUnwound, ticks, true);
  }
  if (stack->frames.empty() && last_ != on) came_from_ = last_;
  Frame frame = {};
  frame.function = record[1];
  frame.call_site = record[2] & ~kSecondUnit;
  frame.sp = stack->widen(static_cast<uint32_t>(record[3]));
  frame.return_address = static_cast<uint32_t>(record[3] >> 32);
  frame.ticks = ticks;
  frame.start_ns = ns;
  frame.site = resolver_->site(frame.function, frame.return_address, frame.call_site);
  pop_gone(stack, frame);
  pop_above_caller(stack, frame);
  place(stack, &frame, position);
  root_.reset();
  frame.number = ++shared_->opened;
  if (stack->frames.empty() && on != home_) {
    stack->entered_from = came_from_ == home_ ? 0 : came_from_->hi;
    shared_->filled(*stack);
  }
  stack->frames.push_back(frame);
  if (last_ != on) last_ = on;
  told_ = stack;
  listener_->opened(this, stack->frames.back());
}

// By the low half of a stack pointer: the stack that was announced, if it fits there. An exit has
// to find its function there, too, for another stack may have the same low half.
// Valid until the next call: counting references costs as much as the rest of it.
const CallTree::StackRef& CallTree::stack_of(uint32_t sp, uint32_t exited) {
  auto fits = [&](const FrameStack& stack) {
    if (!stack.holds32(sp)) return false;
    if (exited == 0) return true;
    for (size_t i = stack.frames.size(); i-- > 0;) {
      if (static_cast<uint32_t>(stack.frames[i].function) == exited) return true;
    }
    return false;
  };
  if (fits(*current_)) return current_;
  if (fits(*home_)) return home_;
  found_ = shared_->find(sp, [&](const FrameStack& s) { return !s.frames.empty() && fits(s); });
  return found_ != nullptr ? found_ : current_;
}

CallTree::StackRef CallTree::stack_at(uint64_t sp) {
  if (current_->holds(sp)) return current_;
  if (home_->holds(sp)) return home_;
  StackRef found = shared_->find(sp);
  return found != nullptr ? found : current_;
}

void CallTree::exit(const uint64_t* record, uint64_t ticks) {
  settle();
  last_ticks_ = ticks;
  auto function = static_cast<uint32_t>(record[1]);
  const StackRef& on = stack_of(static_cast<uint32_t>(record[1] >> 32), function);
  if (last_ != on) last_ = on;
  FrameStack* stack = on.get();
  auto& frames = stack->frames;
  for (size_t i = frames.size(); i-- > 0;) {
    if (static_cast<uint32_t>(frames[i].function) != function) continue;
    while (frames.size() > i + 1) close_top(stack, ExitKind::kUnwound, ticks, true);
    close_top(stack, ExitKind::kReturned, ticks, false);
    return;
  }
  listener_->orphan_exit(this);
}

void CallTree::stack_switch(uint64_t lo, uint64_t bytes, uint64_t what, uint64_t ticks) {
  StackRef to = home_;
  bool guessed = what != 0 && what != kStackIsNew;
  if (guessed && stack_at(what)->holds(what)) {
    // Bounds that were guessed around a stack pointer, by a handler that interrupted the slow path:
    // its calls would otherwise each have a stack of their own.
    to = stack_at(what);
  } else if (lo == home_->lo) {
    home_->hi = lo + bytes;
  } else if (lo < home_->hi && lo + bytes == home_->hi) {
    home_->lo = lo;
  } else {
    auto close = [&](const StackRef& stack) {
      while (!stack->frames.empty()) close_top(stack.get(), ExitKind::kUnwound, ticks, true);
    };
    auto forget = [&](const StackRef& stack) {
      listener_->stack_forgotten(this, stack->frames.size(), ticks);
      close(stack);
    };
    to = shared_->come_to(lo, lo + bytes, what == kStackIsNew, close, forget);
  }
  if (to != last_) came_from_ = last_;
  current_ = last_ = to;
}

// Frames at the target's stack pointer that are inlined in its function but not on the given chain.
void CallTree::close_inlined_at(FrameStack* stack, const std::vector<uint64_t>& chain,
                                ExitKind kind, uint64_t ticks) {
  auto& frames = stack->frames;
  if (chain.empty() || frames.empty()) return;
  uint64_t sp = frames.back().sp;
  while (frames.size() > 1 && frames.back().sp == sp) {
    const std::vector<uint64_t>& own = frames.back().site->chain;
    if (own.empty() || own.front() != chain.front() || is_prefix(own, chain)) return;
    close_top(stack, kind, ticks, false);
  }
}

void CallTree::unwind(UnwindKind kind, uint64_t pc, uint64_t target_sp, uint64_t ticks) {
  settle();
  StackRef at = stack_at(target_sp);
  FrameStack* stack = at.get();
  ExitKind exit_kind = kind == UnwindKind::kLongjmp ? ExitKind::kLongjmp : ExitKind::kUnwound;
  auto& frames = stack->frames;
  while (!frames.empty() && frames.back().sp < target_sp) close_top(stack, exit_kind, ticks, false);
  bool to_known_code = kind == UnwindKind::kLongjmp || kind == UnwindKind::kBeginCatch;
  if (!to_known_code || frames.empty() || pc == 0) return;
  std::vector<uint64_t> chain = resolver_->chain(pc);
  if (kind == UnwindKind::kLongjmp && !chain.empty()) chain.resize(1);
  close_inlined_at(stack, chain, exit_kind, ticks);
}

bool CallTree::at_end_of_stack(const Frame& frame) const {
  constexpr uint64_t kNear = 256 << 10;
  return frame.sp >= home_->lo && frame.sp < home_->hi && frame.sp - home_->lo < kNear &&
         home_->hi - home_->lo > 2 * kNear;
}

void CallTree::closed_up_to(uint64_t sp, uint32_t function, uint64_t ticks) {
  settle();
  StackRef at = stack_at(sp);
  FrameStack* stack = at.get();
  auto& frames = stack->frames;
  while (!frames.empty() && frames.back().sp < sp) {
    close_top(stack, ExitKind::kReturned, ticks, true);
  }
  if (function == 0) return;
  for (size_t i = frames.size(); i-- > 0 && frames[i].sp == sp;) {
    if (static_cast<uint32_t>(frames[i].function) != function) continue;
    while (frames.size() > i) close_top(stack, ExitKind::kReturned, ticks, true);
    return;
  }
}

void CallTree::exec(uint64_t ticks) {
  settle();
  exec_pending_ = true;
  exec_ticks_ = ticks;
}

void CallTree::exec_failed() {
  exec_pending_ = false;
}

void CallTree::vfork(uint64_t sp) {
  vfork_sp_ = sp;
}

void CallTree::vfork_end(uint64_t ticks) {
  close_vforked(ExitKind::kVforkEnd, ticks);
}

void CallTree::close_vforked(ExitKind kind, uint64_t ticks) {
  if (vfork_sp_ == 0) return;
  StackRef at = stack_at(vfork_sp_);
  FrameStack* stack = at.get();
  while (!stack->frames.empty() && stack->frames.back().sp < vfork_sp_) {
    close_top(stack, kind, ticks, false);
  }
  vfork_sp_ = 0;
}

void CallTree::close_all(ExitKind kind, uint64_t ticks) {
  while (!home_->frames.empty()) close_top(home_.get(), kind, ticks, false);
}

// The innermost frame of each stack on which the thread has calls open: a coroutine's, those of
// what resumed it, and the thread's own.
template <typename Visit>
void CallTree::visit_innermost(Visit&& visit) {
  constexpr int kFar = 64;
  auto visit_top = [&](FrameStack* stack) {
    if (!stack->frames.empty()) visit(&stack->frames.back());
  };
  StackRef stack = current_;
  for (int i = 0; i < kFar && stack != home_; i++) {
    visit_top(stack.get());
    StackRef below = stack == current_          ? came_from_
                     : stack->entered_from != 0 ? shared_->ending_at(stack->entered_from)
                                                : home_;
    if (below == nullptr || below == stack || below == current_) break;
    stack = below;
  }
  visit_top(home_.get());
}

void CallTree::add_time(int64_t Frame::*what, int64_t ns, int64_t now_ns) {
  visit_innermost([&](Frame* frame) {
    add_ns(&(frame->*what),
           std::clamp<int64_t>(ns, 0, std::max<int64_t>(now_ns - frame->start_ns, 0)));
  });
}

void CallTree::waited(int64_t ns, int64_t now_ns) {
  add_time(&Frame::waited_ns, ns, now_ns);
}

void CallTree::preempted(int64_t ns, int64_t now_ns) {
  add_time(&Frame::preempted_ns, ns, now_ns);
}

void CallTree::lost(uint64_t calls) {
  uint64_t own = calls;
  visit_innermost([&](Frame* frame) {
    frame->lost_calls += calls;
    frame->lost_own_calls += std::exchange(own, 0);
  });
}

// Calls that have been open all the time contain all of it. Of those that were entered meanwhile
// nothing is known. A coroutine's calls: nothing either, for it may have been suspended, or on
// another thread.
void CallTree::delayed(int64_t ns, int64_t from_ns) {
  for (size_t i = home_->frames.size(); i-- > 0;) {
    Frame& frame = home_->frames[i];
    if (frame.start_ns > from_ns) continue;
    add_ns(&frame.delayed_ns, ns);
    return;  // those further out get it from this one
  }
}

Frame* CallTree::open_call(uint64_t number) {
  constexpr size_t kFar = 256;
  for (FrameStack* stack : {current_.get(), home_.get()}) {
    size_t last = stack->frames.size() > kFar ? stack->frames.size() - kFar : 0;
    for (size_t i = stack->frames.size(); i-- > last;) {
      if (stack->frames[i].number == number) return &stack->frames[i];
    }
  }
  return nullptr;
}

std::optional<ParentContext> CallTree::innermost(const FrameStack& stack) const {
  const FrameStack* inner = stack.frames.empty() ? stack_below(&stack) : &stack;
  if (inner == nullptr) return context_;
  const Frame& frame = inner->frames.back();
  return ParentContext{frame.trace, frame.parent_of_children(), frame.sampled};
}

}  // namespace telinject::drain
