// Exceptions between throw and catch.
//
// A frame was left by an exception if it was open when that was thrown, and is closed before it is
// caught: g++'s code calls the exit hook while it unwinds, which looks like a return; calls that
// are made meanwhile, by destructors, do return. Destructors may throw and catch exceptions of
// their own, so there is a stack of flights for each thread, of which only the last can be under
// way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/events/event.h"

namespace telinject::drain {

// What an `error` says.
struct ErrorText {
  std::string type, message;
  std::string stack;  // empty: none

  bool empty() const { return type.empty(); }
  ErrorInfo info() const { return {type, message, stack}; }
  template <typename Archive>
  void io(Archive& a) {
    a(type, message, stack);
  }
};

struct Flight {
  uint64_t exception;  // as the program names it
  uint64_t opened;     // calls that the thread had made: those are the frames it may leave
  ErrorText error;
  std::string thrown_in;  // plain text; empty if not known
  bool forced =
      false;  // no exception: pthread_exit, pthread_cancel; or one whose throw is not known
  bool rethrown = false;
  bool stack_skipped = false;
  uint32_t stacks_skipped = 0;
  bool landed = false;  // the unwinder has found the frame that catches it, and is there
  uint64_t landed_sp = 0, landed_pc = 0;
  uint32_t stacks_told = 0;

  template <typename Archive>
  void io(Archive& a) {
    a(exception, opened, error, thrown_in, forced, rethrown, stack_skipped, stacks_skipped, landed,
      landed_sp, landed_pc, stacks_told);
  }
};

// More than these are no exceptions of a sound program: the oldest are forgotten.
inline constexpr size_t kMaxFlights = 64;
// So many frames get the stack, the others type and message only: a deep recursion would repeat it
// ten thousand times.
inline constexpr uint32_t kStacksTold = 16;

using Flights = std::vector<Flight>;

}  // namespace telinject::drain
