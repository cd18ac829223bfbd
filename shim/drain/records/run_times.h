// How long threads ran and waited to run, as run_delay.h samples it.
#pragma once

#include <cstdint>

namespace telinject::drain {

// Times of the thread on a lane, since it began. Read after `before` and before `after`.
struct RunDelaySample {
  uint32_t segment, lane;
  uint64_t before, after;  // ticks
  uint64_t running_ns, delayed_ns;
};

// What threads did between their first and their last sample.
struct RunTimes {
  uint64_t threads = 0;
  int64_t sampled_ns = 0;  // how long that was
  int64_t running_ns = 0;
  int64_t delayed_ns = 0;  // ready to run, and not running
  // Sleeping, or waiting for anything but a processor.
  int64_t blocked_ns() const { return sampled_ns - running_ns - delayed_ns; }

  template <typename Archive>
  void io(Archive& a) {
    a(threads, sampled_ns, running_ns, delayed_ns);
    bool known = running_ns >= 0 && delayed_ns >= 0 && sampled_ns >= running_ns;
    if (!known || delayed_ns > sampled_ns - running_ns) a.fail();
  }
};

}  // namespace telinject::drain
