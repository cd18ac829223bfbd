// Finds HTTP messages in the bytes of a connection. Bounded, incremental: what it reports does not
// depend on how the bytes are cut (but for unsampled_responses.h). Reads no byte that was not
// passed to it, and knows nothing of lanes, descriptors or threads; what it finds goes to report.h.
//
// Async-signal-safe; may map memory (pools.h).
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

// `data` passed at `now`. Once the protocol is kOther nothing more will be found.
void frame_bytes(Connection& connection, Way way, const uint8_t* data, size_t size,
                 const Moment& now);
// Bytes that are not at hand: of a body, or there is no telling where the next message begins.
void frame_unseen(Connection& connection, Way way, uint64_t size, const Moment& now);
// Nothing more comes this way; what is open may still be answered the other way.
void frame_end_of_stream(Connection& connection, Way way, const Moment& now);
// Ends what is open.
void frame_closed(Connection& connection, HttpEndReason reason, int error, const Moment& now);
// Gives back all that the connection holds.
void release_memory(Connection& connection);

// The parts, by protocol. Each returns how many bytes it took: all, unless the protocol changed.
size_t frame_http1(Connection& connection, Way way, const uint8_t* data, size_t size,
                   const Moment& now);
size_t frame_http2(Connection& connection, Way way, const uint8_t* data, size_t size,
                   const Moment& now);
size_t frame_tls(Connection& connection, Way way, const uint8_t* data, size_t size,
                 const Moment& now);
void skip_http1(Connection& connection, Way way, uint64_t size, const Moment& now);
void skip_http2(Connection& connection, Way way, uint64_t size, const Moment& now);
void end_of_http1(Connection& connection, Way way, const Moment& now);
void close_http1(Connection& connection, HttpEndReason reason, int error, const Moment& now);
void close_http2(Connection& connection, HttpEndReason reason, int error, const Moment& now);
void close_tls(Connection& connection, const Moment& now);

// What passes is not understood (any more): ends what is open, looks no more.
void give_up(Connection& connection, const Moment& now);
// After 101 or CONNECT: another protocol begins, in both directions.
void switch_protocol(Connection& connection, Protocol protocol);

}  // namespace telinject::program
