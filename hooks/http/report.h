// What framing finds goes here: into the lane of the thread that is at work (report.cpp); in tests,
// into a list.
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

// A request's header block is complete. True if it is recorded: then its response and end are to be
// reported, too. `exchange` has its number.
// `chosen`: the request's context, if it is known by now; else null.
bool report_request(Connection& connection, Exchange& exchange, Way way, const Block& block,
                    const Moment& start, const HttpContext* chosen);
// Chooses the context of a request that is received and brings no trace. True if it is not to be
// recorded; it then counts among those that the thread, *lane, has taken, until unrecorded_over().
bool takes_unrecorded(const Block& block, HttpContext* chosen, Lane** lane);
void unrecorded_over(Lane* lane);
void report_request_trailers(Connection& connection, uint32_t exchange, Way way, const Block& block,
                             uint64_t start_ticks);
// `flags`: kHttpInterim, kHttpTrailers.
void report_response(Connection& connection, uint32_t exchange, Way way, uint16_t flags,
                     const Block& block, uint64_t start_ticks);
// HTTP/2. `opens`: the first block of its stream.
void report_headers(Connection& connection, Way way, uint32_t stream, uint32_t promised,
                    uint16_t flags, bool opens, const Block& block, uint64_t start_ticks);
// All but the connection is filled in.
void report_end(Connection& connection, HttpEndMessage* end);
// An exchange is over, recorded or not.
void exchange_over(Connection& connection, const Exchange& exchange);
// From here on what passes on the connection is not read (given_up.h).
void report_given_up(const Connection& connection);
// A request on such a connection.
void report_unread_exchange(const Connection& connection);
// A ClientHello has passed; and when its connection is closed.
void report_tls(Connection& connection, Way hello_way, const Block& hello, uint64_t end_ticks);

// The drain is not told of a request that was received, or may have been. From then on the program
// does not claim that it knows of all of them (kHttpAllTold).
inline void leave_out() {
  if (g_process.left_out.load(std::memory_order_relaxed)) return;
  g_process.left_out.store(true, std::memory_order_relaxed);
}
// Likewise of requests on this connection. (What a client sends was not received.)
inline void leave_out_of(const Connection& connection) {
  if (connection.role.load(std::memory_order_relaxed) != HttpRole::kClient) leave_out();
}

}  // namespace telinject::program
