// Exit statuses that all of telinject's commands share.
#pragma once

namespace telinject::drain {

inline constexpr int kUsage = 2;  // the command was not understood, or its output failed

}  // namespace telinject::drain
