// Call sites: everything that is constant for a function called from one place, worked out once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/events/event_encoder.h"

namespace telinject {

// Sums over the spans of one function, over all processes.
struct FunctionTotals {
  std::string name, module;
  uint64_t calls = 0;    // spans that ended
  int64_t self_ns = 0;   // without its children
  int64_t total_ns = 0;  // with them; recursion counts each level
  int64_t max_ns = 0;
};

struct Site {
  // The physical function that the hook's call stands in, and the inline chain there, outermost
  // first: identities within the process, 0 and empty if not known.
  std::vector<uint64_t> chain;
  // The physical function that the call site lies in; 0 if not known.
  uint64_t caller = 0;
  FunctionTotals* totals = nullptr;
  FunctionText text;
  bool is_main = false;  // the program's main function
};

}  // namespace telinject
