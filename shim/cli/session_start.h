// A new session: its secret, its directory and the sockets that the program and its children
// join through. They are bound and listening before the program starts, so it never waits for the
// drain: what it sends is queued until the drain has come up.
#pragma once

#include "shim/channel/session.h"
#include "shim/channel/settings.h"

namespace telinject {

struct NewSession {
  Session session;
  char text[kSessionTextBytes];  // the value of TELINJECT_SESSION
  int path_listener;             // -1: there is no directory that we may write to
  int abstract_listener;         // -1: the abstract name could not be had
};

// Returns null, or what could not be done (errno says why); nothing is left behind then. At least
// one listener is there afterwards. Listeners are SOCK_SEQPACKET, non-blocking, close-on-exec.
const char* start_session(const Settings& settings, NewSession* out);

void close_listeners(NewSession* session);

// For when there is no drain to do it. Silent if it is gone already.
void remove_session_directory(const Session& session);

}  // namespace telinject
