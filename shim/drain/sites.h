// Call sites: everything that is constant for a function called from one place, worked out once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/drain/function_totals.h"
#include "shim/drain/span_filter.h"
#include "shim/events/json/event_encoder.h"

namespace telinject {

struct Site {
  // The physical function that the hook's call stands in, and the inline chain there, outermost
  // first: identities within the process, 0 and empty if not known.
  std::vector<uint64_t> chain;
  // The physical function that the call site lies in; 0 if not known.
  uint64_t caller = 0;
  FunctionTotals* totals = nullptr;
  LeftOut left_out = LeftOut::kNo;  // by name
  FunctionText text;
  bool is_main = false;  // the program's main function

  template <typename Archive>
  void io(Archive& a) {
    a(chain, caller, left_out, is_main, text.name, text.entry, text.exit_before, text.exit_after,
      text.attributes, text.reference);
    a.refer(totals);
    if (totals == nullptr || static_cast<size_t>(left_out) >= kLeftOutReasons) a.fail();
  }
};

}  // namespace telinject
