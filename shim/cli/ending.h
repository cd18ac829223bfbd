// After the program: wait until the drain has written everything, then end as the program did.
#pragma once

#include "shim/channel/session.h"
#include "shim/cli/drain_start.h"
#include "shim/cli/terminal.h"

namespace telinject {

// Messages to the drain (control.h). Silent if it has gone.
void tell_started(const Drain& drain, pid_t program, const char* path);
void tell_ended(const Drain& drain, pid_t program, int status);

// Waits for kWritten as long as the drain lives. SIGINT, SIGTERM or SIGQUIT makes it leave what
// is not written yet as a recording, and say so; a second one ends the wait. A drain that died
// costs one line here, never the status.
void wait_until_written(Drain* drain, int signal_fd, const Session& session);

// Ends this process with the program's exit status, or by the signal that ended the program. No
// second core file is left. Never returns.
[[noreturn]] void end_like(int status);

}  // namespace telinject
