// The end of a program that has no supervisor: it waits, for a bounded time, until its events are
// written. (Under telrun nothing waits: telrun does.)
#pragma once

namespace telinject::program {

// Arranges for flush_at_exit() to run after every destructor and atexit handler of the program.
void wait_at_exit();

// Asks the drain to write what there is and waits for it: as long as its heartbeat goes on, and
// TELEMETRY_EXIT_WAIT milliseconds at most. Does nothing in a session, in a forked child that has
// made no call, or in the child of vfork; and if no call was recorded.
void flush_at_exit();

// From the constructor: what standard error is now, so that tell_drain_died() finds it again.
void note_standard_error();

// One line for all processes of a segment, if standard error is still the file that it was at the
// start: the program may have given its number to another.
void tell_drain_died();

}  // namespace telinject::program
