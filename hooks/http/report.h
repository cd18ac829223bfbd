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
// Of a request that is received and brings no trace: chooses its context. True if it is not to be
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
// A request on a connection that is given up (given_up.h).
void report_unread_exchange();
// A ClientHello has passed; and when its connection is closed.
void report_tls(Connection& connection, Way hello_way, const Block& hello, uint64_t end_ticks);

}  // namespace telinject::program
