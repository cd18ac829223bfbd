// Starts the drain of a session: telrun's other child, in a session of its own (shim/cli/README.md
// has the contract).
#pragma once

#include <sys/types.h>

#include "shim/cli/session_start.h"

namespace telinject {

struct Drain {
  pid_t pid = -1;
  int control = -1;          // our end of the socket pair (control.h)
  bool has_written = false;  // all of it: it has said so
  bool stopped = false;      // by a SIGSTOP
  bool ended = false;
  int status = 0;              // as of wait(2), once `ended`
  double started = 0;          // monotonic_seconds() then
  const char* file = nullptr;  // that it appends events to, a whole path; null if it is none
  double ended_after = 0;      // seconds
};

double monotonic_seconds();

// `output` is the program's descriptor that events go to, or -1. Returns null, or what could not be
// done (errno says why).
const char* start_drain(const char* file, const NewSession& session, int output, Drain* out);

}  // namespace telinject
