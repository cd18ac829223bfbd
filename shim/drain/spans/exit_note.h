// What the end of a call's span says besides its duration.
#pragma once

#include <cstdint>
#include <string_view>

#include "shim/drain/tree/call_tree.h"
#include "shim/events/event.h"

namespace telinject::drain {

// Empty for a plain return.
std::string_view exit_kind_name(ExitKind kind);

// True of most calls: nothing about their time needs a note.
inline bool time_is_plain(const Frame& frame) {
  return frame.waited_ns == 0 && frame.preempted_ns == 0 && frame.lost_calls == 0 &&
         frame.delayed_ns == 0 && frame.requests.waited_ns == 0;
}

// What an end says of the time that it tells.
ExitNote time_note(const Frame& frame, int64_t duration_ns);

}  // namespace telinject::drain
