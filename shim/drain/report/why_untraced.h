// Why a program showed no function, and what to do about it.
#pragma once

#include <string>

namespace telinject::drain {

struct SummaryFacts;

// Lines for the summary, looked up in the program's own file: static, set-user-ID, another machine
// or C library, not instrumented, or stripped of the hooks.
std::string why_untraced(const SummaryFacts& facts);

}  // namespace telinject::drain
