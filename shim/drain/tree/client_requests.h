// The requests that a call itself has made as a client, and for how long any of them was open while
// none of its own calls ran: it waited for others.
#pragma once

#include <algorithm>
#include <cstdint>

#include "shim/drain/naming/function_totals.h"

namespace telinject::drain {

// Times in nanoseconds: of the clock that events have; `not_own_ns` is what has gone by so far in
// the call's own calls, or was taken out of its time.
struct ClientRequests {
  uint32_t open = 0;
  int64_t since_ns = 0, not_own_before_ns = 0;  // when `open` became 1
  int64_t waited_ns = 0;

  void begin(int64_t now_ns, int64_t not_own_ns) {
    if (open++ > 0) return;
    since_ns = now_ns;
    not_own_before_ns = not_own_ns;
  }
  void end(int64_t now_ns, int64_t not_own_ns) {
    if (open == 0 || --open > 0) return;
    int64_t not_own = std::max<int64_t>(not_own_ns - not_own_before_ns, 0);
    add_ns(&waited_ns, std::max<int64_t>(now_ns - since_ns - not_own, 0));
  }
  // The call has ended, and with it its waiting.
  void end_all(int64_t now_ns, int64_t not_own_ns) {
    open = std::min<uint32_t>(open, 1);
    end(now_ns, not_own_ns);
  }

  template <typename Archive>
  void io(Archive& a) {
    a(open, since_ns, not_own_before_ns, waited_ns);
    if (since_ns < 0 || not_own_before_ns < 0 || waited_ns < 0) a.fail();
  }
};

}  // namespace telinject::drain
