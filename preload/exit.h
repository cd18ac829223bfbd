// The end of a program that has no supervisor: it waits, for a bounded time, until its events are
// written. (Under telrun nothing waits: telrun does.)
#pragma once

namespace telinject {

// Arranges for flush_at_exit() to run after every destructor and atexit handler of the program.
void wait_at_exit();

// Asks the drain to write what there is and waits for it: as long as its heartbeat goes on, and
// TELEMETRY_EXIT_WAIT milliseconds at most. Does nothing in a session, in a forked child that has
// made no call, or in the child of vfork; and if no call was recorded.
void flush_at_exit();

}  // namespace telinject
