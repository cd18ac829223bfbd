// Fatal signals: the stack of the thread that dies, while it still has one.
#pragma once

namespace telinject::program {

// Installs handlers for the signals of crashes that are left at their default.
void watch_fatal_signals();
// The contrary. True if any was watched.
bool unwatch_fatal_signals();

// True for the address of our handler, which the program must not see.
bool is_crash_handler(const void* handler);

}  // namespace telinject::program
