// The hooks' clock: the TSC where it can be trusted, else CLOCK_MONOTONIC.
#pragma once

#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject {

// True if the TSC runs at one rate in all power states *and* the kernel has chosen it as its own
// clock source, which it does only while the TSCs of all processors agree. Three system calls.
// Async-signal-safe.
bool tsc_is_trustworthy();

}  // namespace telinject
