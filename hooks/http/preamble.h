// What stands before HTTP or TLS on a connection and says whom it is really with: the PROXY
// protocol, versions 1 and 2 (haproxy, load balancers), and SOCKS 4, 4a and 5. It is read and
// stepped over; then the connection begins anew. A user's name and password are not read: their
// bytes are counted, and what was gathered of them is wiped.
//
// Async-signal-safe.
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

// What begins with these bytes. Unknown, and no preamble: more bytes are needed, kOpeningBytes at
// most.
struct Opening {
  Protocol protocol = Protocol::kUnknown;
  PreambleKind preamble = PreambleKind::kNone;
};
Opening opening_of(const uint8_t* bytes, size_t size);
// May a connection begin with this byte?
bool may_open(uint8_t first);

// The direction begins with one. (Of SOCKS, so does the other one.) It is in it until its
// `undecided_bytes` is not kInPreamble any more.
void begin_preamble(Connection& connection, Way way, PreambleKind kind);
// Takes the next bytes of it; gives the connection up if they make no sense.
size_t frame_preamble(Connection& connection, Way way, const uint8_t* data, size_t size,
                      const Moment& now);

}  // namespace telinject::program
