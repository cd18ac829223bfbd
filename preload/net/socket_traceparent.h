// A traceparent in HTTP/1 requests that the program writes to a socket itself, where the user asks
// for it (TELEMETRY_HTTP_TRACEPARENT=sockets): one line more before the end of the header block.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "preload/start/startup.h"

namespace telinject::program {

// Does the user ask for it?
inline bool sends_traceparents() {
  return g_client.settings.number[kHttpTraceparent] == kTraceparentSockets;
}

// If so: true if a request begins in these parts and was sent with a traceparent; then *result and
// errno are the call's, as if the line were not there, and what passed has been looked at. A
// request is left alone that has one already, whose header block is not all in these parts, or
// whose line the socket might take in pieces (it does not block and has something to send already).
//
// Async-signal-safe; blocks no longer than the call itself would.
bool send_with_traceparent(int fd, const iovec* parts, size_t count, int flags, ssize_t* result);

}  // namespace telinject::program
