// Where a thread's preemptions travel: as the records of a lane beside its own.
#pragma once

#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject::drain {

// The lane number under which a lane's preemptions travel.
constexpr uint32_t shadow_lane(uint32_t lane) {
  return kMaxLanes + lane;
}
constexpr bool is_shadow_lane(uint32_t lane) {
  return lane >= kMaxLanes;
}

}  // namespace telinject::drain
