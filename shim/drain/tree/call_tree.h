// One thread's call tree, rebuilt from its records.
//
// g++'s code calls the exit hook while an exception unwinds, clang's does not; longjmp skips it
// with both; inlined functions are instrumented and share the frame, its stack pointer and its call
// site with the function they are inlined into. So frames are closed by rules:
//
//   exit      closes the nearest open frame of that function; what lies above was left without one
//   unwind    (longjmp, a landing pad, a catch) closes the frames below the target's stack pointer;
//             a longjmp also those at it that are inlined in the target's function; a catch those
//             at it that are not on the inline chain of its return address; a landing pad none at
//             it
//   entry     safety net: closes frames whose stack pointer is not above its own and whose call
//   site
//             differs, a frame that stands exactly where it stands, and frames above its
//             caller's, which its call site tells
//   root      nothing is open: closes all
//
// A thread has a list of open frames for each stack it runs on, for stack pointers compare only
// within one. The first frame on another stack is a child of what is open on the one where the
// thread was before. The program announces a switch when it sees one, but a record's own stack
// pointer has the last word: calls may return on another stack without a word, and a hook may have
// been interrupted, on its way to its record, by a handler on an alternate stack.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "shim/channel/ids.h"
#include "shim/channel/layout.h"
#include "shim/channel/record.h"
#include "shim/drain/naming/site_resolver.h"
#include "shim/drain/naming/span_filter.h"
#include "shim/drain/tree/client_requests.h"
#include "shim/drain/tree/shared_stacks.h"

namespace telinject::drain {

struct Frame {
  uint64_t function, call_site;
  uint64_t sp;
  uint32_t return_address;  // low half, as recorded
  bool first_of_trace;      // no parent within this process
  bool sampled;             // else it is here to be counted
  // Decided by the listener. To the tree it matters only that a filtered span is never a parent.
  EmitState emit_state;
  FilteredBy filtered_by;
  const Site* site;
  TraceId trace;
  uint64_t span_id, parent_span_id;  // 0: no parent
  uint64_t ticks;
  int64_t start_ns;
  int64_t children_ns = 0;
  uint64_t number = 0;  // of the thread's calls, from 1
  // That the thread waited for room in its lane, so far as it is known here: of a call that is open
  // further in it is added when that one is closed.
  int64_t waited_ns = 0;
  // That it was ready to run and another thread ran, in the same way.
  int64_t preempted_ns = 0;
  // Calls that were not recorded while it was open, likewise; and those of them that were lost
  // while no call that it made was open: what they took counts as its own time.
  uint64_t lost_calls = 0, lost_own_calls = 0;
  // That the thread could have run and did not, at least; likewise.
  int64_t delayed_ns = 0;
  ClientRequests requests;

  // For `requests`.
  int64_t not_own_ns() const {
    int64_t sum = children_ns;
    add_ns(&sum, waited_ns);
    add_ns(&sum, preempted_ns);
    return sum;
  }
  // It ended then: what was taken out of its time lies before that.
  void fit(int64_t end_ns) {
    int64_t all = std::max<int64_t>(end_ns - start_ns, 0);
    waited_ns = std::min(waited_ns, all);
    preempted_ns = std::min(preempted_ns, all - waited_ns);
  }
  uint64_t parent_of_children() const {
    return emit_state == EmitState::kFiltered ? parent_span_id : span_id;
  }
  // What the call took the program: the tracer's waiting is no part of it, nor is the time in which
  // others had the processor.
  int64_t duration_ns(int64_t end_ns) const {
    return std::max<int64_t>(end_ns - start_ns - waited_ns - preempted_ns, 0);
  }

  template <typename Archive>
  void io(Archive& a) {
    a.refer(site);
    a(function, call_site, sp, return_address, first_of_trace, sampled, emit_state, filtered_by,
      trace, span_id, parent_span_id, ticks, start_ns, children_ns, number, waited_ns, preempted_ns,
      lost_calls, lost_own_calls, delayed_ns, requests);
    bool known =
        emit_state <= EmitState::kFiltered && static_cast<size_t>(filtered_by) < kFilterReasons;
    if (site == nullptr || !known || start_ns < 0 || waited_ns < 0 || preempted_ns < 0 ||
        delayed_ns < 0) {
      a.fail();
    }
  }
};

enum class ExitKind {
  kReturned,
  kUnwound,  // by an exception, or left without a trace: its exit hook was not called
  kLongjmp,
  kThreadEnd,    // pthread_exit, cancel, or a raw exit
  kProcessExit,  // exit, _exit, quick_exit
  kExec,
  kKilled,    // by a signal
  kVforkEnd,  // of the child of vfork
  kUnknown,   // the process ended, it is not known how
};

// The open frames of one stack.
struct FrameStack {
  uint64_t lo = 0, hi = 0;
  std::vector<Frame> frames;
  // The listener's. Calls that were open below when the first frame was entered; and how many
  // frames from the outermost on are known not to be deferred: it falls as frames are closed.
  uint32_t base_depth = 0;
  size_t settled = 0;
  // The upper end of the stack that its first frame was entered from; 0: the thread's own.
  uint64_t entered_from = 0;

  // Takes off the innermost frame, and leaves what is known of it to the next one.
  Frame pop();

  // Calls open at once, those below this stack included.
  uint32_t call_depth() const { return base_depth + static_cast<uint32_t>(frames.size()); }
  // A stack may be allowed to grow beyond 4 GiB, but its frames lie within that of its upper end.
  uint32_t depth(uint32_t sp) const { return static_cast<uint32_t>(hi) - sp; }
  bool holds32(uint32_t sp) const { return depth(sp) <= hi - lo; }
  bool holds(uint64_t sp) const { return sp - lo <= hi - lo; }
  // A full stack pointer from its low half.
  uint64_t widen(uint32_t sp) const { return hi - depth(sp); }

  template <typename Archive>
  void io(Archive& a) {
    a(lo, hi, frames, base_depth, settled, entered_from);
    if (settled > frames.size()) a.fail();
  }
};

// What a thread's roots continue.
struct ParentContext {
  TraceId trace = {};
  uint64_t span_id = 0;
  bool sampled = true;

  template <typename Archive>
  void io(Archive& a) {
    a(trace, span_id, sampled);
  }
};

class CallTree {
 public:
  // Told of every span, in the order of the records.
  class Listener {
   public:
    virtual ~Listener() = default;
    // The frame is the innermost of stack(), and may be changed there.
    virtual void opened(CallTree* tree, const Frame& frame) = 0;
    // `upper_bound`: the end is when it was noticed, not when it happened.
    virtual void closed(CallTree* tree, const Frame& frame, ExitKind kind, uint64_t end_ticks,
                        bool upper_bound) = 0;
    // An exit that belongs to no open frame.
    virtual void orphan_exit(CallTree* tree) = 0;
    // The calls of a stack were closed since there are too many stacks.
    virtual void stack_forgotten(CallTree* tree, uint64_t calls, uint64_t ticks) = 0;
  };

  CallTree(SegmentKey key, uint32_t lane, uint64_t stack_lo, uint64_t stack_hi,
           std::optional<ParentContext> context, SharedStacks* shared, SiteResolver* resolver,
           Listener* listener);

  void root(uint64_t flags, uint64_t number, uint64_t position);
  void entry(const uint64_t* record, uint64_t position, uint64_t ticks, int64_t ns);
  void exit(const uint64_t* record, uint64_t ticks);
  // `what`: 0, kStackIsNew, or a stack pointer on it, if the bounds are a guess.
  void stack_switch(uint64_t lo, uint64_t bytes, uint64_t what, uint64_t ticks);
  void unwind(UnwindKind kind, uint64_t pc, uint64_t target_sp, uint64_t ticks);
  // Exits that did not fit: frames up to `sp` are gone; `function` is the last one's low half.
  void closed_up_to(uint64_t sp, uint32_t function, uint64_t ticks);
  void exec(uint64_t ticks);
  void exec_failed();
  void vfork(uint64_t sp);
  void vfork_end(uint64_t ticks);

  // The thread has waited for room in its lane, until now: all that is open on it was open then.
  void waited(int64_t ns, int64_t now_ns);
  // Another thread had its processor, until now; likewise.
  void preempted(int64_t ns, int64_t now_ns);
  // Calls were not recorded, since the last record: what is open now was open then.
  void lost(uint64_t calls);
  // For `ns` the thread could have run and did not, not before the last record before `from_ns`;
  // when, is not known.
  void delayed(int64_t ns, int64_t from_ns);

  // Closes all that is open on the thread's own stack.
  void close_all(ExitKind kind, uint64_t ticks);
  // Calls that were entered so far, on any thread of the process.
  uint64_t opened() const { return shared_->opened; }
  // True if the frame stands where the thread's own stack ends.
  bool at_end_of_stack(const Frame& frame) const;
  bool has_open() const { return !home_->frames.empty(); }
  // The thread's own stack.
  const FrameStack& home() const { return *home_; }
  // The last record was an exec that has not failed (so far).
  bool executing() const { return exec_pending_; }
  // Some of the records now are of a child of vfork, which runs on this thread's stack.
  bool in_vfork() const { return vfork_sp_ != 0; }
  // pthread_exit was called: what is still open when the lane ends, ended then.
  void thread_exit(uint64_t ticks) { thread_exit_ticks_ = ticks; }
  bool exiting() const { return thread_exit_ticks_ != 0; }
  // Cleanup handlers and destructors of thread-local objects may have run since.
  uint64_t exit_ticks() const { return std::max(thread_exit_ticks_, last_ticks_); }

  // While opened() or closed() is told: the stack that gained or lost the frame.
  FrameStack* stack() { return told_; }
  // What a call would be a child of, for notes and for what starts here: on the stack that was
  // announced last, or on the one that holds `sp`.
  std::optional<ParentContext> current() const { return innermost(*current_); }
  std::optional<ParentContext> current_at(uint64_t sp) { return innermost(*stack_at(sp)); }
  // The stack whose innermost frame that is, or null.
  FrameStack* inner_stack_at(uint64_t sp) {
    FrameStack* stack = stack_at(sp).get();
    return stack->frames.empty() ? stack_below(stack) : stack;
  }
  // The stack with the innermost frame of the one that was announced last, or null.
  FrameStack* current_stack() {
    return current_->frames.empty() ? stack_below(current_.get()) : current_.get();
  }
  // What roots of the thread continue.
  const std::optional<ParentContext>& context() const { return context_; }
  // From now on (`ticks`) and until further notice, calls whose caller was open before are children
  // of that span, in its trace: of a request that the thread serves.
  void adopt(std::optional<ParentContext> server, uint64_t ticks) {
    adopter_ = server;
    adopted_since_ = ticks;
  }
  // The open call with that number, if it is among the innermost ones of the stack that was
  // announced last or of the thread's own; else null.
  Frame* open_call(uint64_t number);
  // Whose innermost frame the first one of a stack is a child of; null if it starts a trace.
  FrameStack* stack_below(const FrameStack* stack) const;

  // Between records, that is between opened() and closed().
  template <typename Archive>
  void io(Archive& a) {
    a(key_, lane_, context_, adopter_, adopted_since_, *home_);
    io_stack(a, &current_);
    io_stack(a, &came_from_);
    io_stack(a, &last_);
    a(root_, exec_pending_, exec_ticks_, thread_exit_ticks_, last_ticks_, vfork_sp_);
    told_ = current_.get();
  }

 private:
  using StackRef = SharedStacks::Ref;

  // The thread's own stack, or one of those that are shared.
  template <typename Archive>
  void io_stack(Archive& a, StackRef* stack) {
    uint64_t hi = *stack == home_ ? 0 : (*stack)->hi;
    a(hi);
    StackRef found = hi == 0 ? nullptr : shared_->ending_at(hi);
    *stack = found != nullptr ? found : home_;
  }

  void settle();
  void close_top(FrameStack* stack, ExitKind kind, uint64_t ticks, bool upper_bound);
  template <typename Visit>
  void visit_innermost(Visit&& visit);
  void add_time(int64_t Frame::*what, int64_t ns, int64_t now_ns);
  const StackRef& stack_of(uint32_t sp, uint32_t exited_function);
  StackRef stack_at(uint64_t sp);
  FrameStack* inner_stack(const StackRef& from) const;
  std::optional<ParentContext> innermost(const FrameStack& stack) const;
  void close_vforked(ExitKind kind, uint64_t ticks);
  void pop_gone(FrameStack* stack, const Frame& entering);
  void pop_above_caller(FrameStack* stack, const Frame& entering);
  void place(FrameStack* stack, Frame* frame, uint64_t position);
  bool is_adopted(const FrameStack* above) const {
    return above == nullptr || above->frames.back().ticks <= adopted_since_;
  }
  void close_inlined_at(FrameStack* stack, const std::vector<uint64_t>& chain, ExitKind kind,
                        uint64_t ticks);

  SegmentKey key_;
  uint32_t lane_;
  std::optional<ParentContext> context_;
  std::optional<ParentContext> adopter_;
  uint64_t adopted_since_ = 0;
  SharedStacks* shared_;
  SiteResolver* resolver_;
  Listener* listener_;
  StackRef home_ = std::make_shared<FrameStack>();
  StackRef current_ = home_;  // that was announced last
  // Where the thread was before it came to current_: what is open there when a first frame is
  // entered here is its parent. (When it is entered, not when the switch was told: a thread that
  // goes back only to return from calls does not say so.)
  StackRef came_from_ = home_;
  StackRef last_ = home_;  // of the last record
  StackRef found_;         // by stack_of(), among those that are shared
  FrameStack* told_;       // the stack that gained or lost a frame last
  struct PendingRoot {
    uint64_t flags, number;
  };
  std::optional<PendingRoot> root_;
  bool exec_pending_ = false;
  uint64_t exec_ticks_ = 0;
  uint64_t thread_exit_ticks_ = 0;
  uint64_t last_ticks_ = 0;  // of an entry or exit
  uint64_t vfork_sp_ = 0;    // frames below belong to the child of vfork; 0: none
};

template <typename Archive>
void SharedStacks::io(Archive& a) {
  a(opened);
  std::vector<uint64_t> ends(open_.rbegin(), open_.rend());
  ends.insert(ends.end(), empty_.rbegin(), empty_.rend());
  a(ends);
  for (uint64_t hi : ends) {
    Ref stack = Archive::kReads ? std::make_shared<FrameStack>() : ending_at(hi);
    a(*stack);
    if (!Archive::kReads) continue;
    if (stack->hi != hi || stack->lo > hi || by_end_.contains(hi)) return a.fail();
    insert(stack);
  }
}

}  // namespace telinject::drain
