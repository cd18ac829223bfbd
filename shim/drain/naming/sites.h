// Call sites: everything that is constant for a function called from one place, worked out once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/drain/naming/function_totals.h"
#include "shim/drain/naming/span_filter.h"
#include "shim/events/event.h"

namespace telinject::drain {

struct Site {
  // The physical function that the hook's call stands in, and the inline chain there, outermost
  // first: identities within the process, 0 and empty if not known.
  std::vector<uint64_t> chain;
  // The physical function that the call site lies in; 0 if not known.
  uint64_t caller = 0;
  FunctionTotals* totals = nullptr;
  FilteredBy filtered_by = FilteredBy::kNothing;  // by name
  bool is_main = false;                           // the program's main function
  mutable bool introduced = false;                // to the outputs: a note of the event writer's
  FunctionInfo function;

  template <typename Archive>
  void io(Archive& a) {
    a(chain, caller, filtered_by, is_main, function, introduced);
    a.refer(totals);
    if (totals == nullptr || static_cast<size_t>(filtered_by) >= kFilterReasons) a.fail();
  }
};

}  // namespace telinject::drain
