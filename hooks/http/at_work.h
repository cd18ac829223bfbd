// Threads at work on connections: at most one in each direction, the last one out ends what was
// closed meanwhile. See traffic.h for the rest.
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

// Null if there are too many, or nothing is to be recorded.
Connection* open_connection(HttpLayer layer);
// A descriptor less; with the last one it is ended, for `reason`, and given back.
void release_connection(Connection* connection, HttpEndReason reason);

// As traffic(), of bytes and of iovecs of which the first `size` bytes passed; `call_ticks` is when
// the call began that sends, or 0.
void traffic_at(Connection* connection, Way way, const void* data, uint64_t size,
                uint64_t call_ticks);
void traffic_vector_at(Connection* connection, Way way, const void* iovecs, size_t count,
                       uint64_t size, uint64_t call_ticks);
// Nothing more will be sent.
void connection_finished(Connection* connection);

// The TLS connection whose library is at work on this thread, or null.
extern __thread Connection* t_tls_scope __attribute__((tls_model("initial-exec")));
inline Connection* tls_scope() {
  return t_tls_scope;
}
// That one reads and writes this descriptor. `before`: what passed there so far, or null: a CONNECT
// of ours, a preamble.
void adopt_descriptor(int fd, const Connection* before);
// A TLS record on a descriptor, and no TLS library at work: true, and adopted, if this thread's
// last TLS connection has no descriptor yet (it reads and writes memory).
bool tls_without_descriptor(int fd);
// Likewise where `before` has passed on the descriptor: a CONNECT of ours, a preamble.
bool tls_without_descriptor(const Connection& before);

}  // namespace telinject::program
