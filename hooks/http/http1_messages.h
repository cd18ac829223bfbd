// What the parts of HTTP/1 messages mean to a connection's exchanges: which request a response
// answers, what has a body, when an exchange is over. Where the parts are is http1.cpp's to find;
// it leaves what it read in the direction's parser.
//
// Async-signal-safe; reports to report.h.
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

// The exchange of that number, begun now if it is not there; null if another is still there: more
// requests are waiting than we remember.
Exchange* exchange_of(Connection& connection, uint32_t number);
bool is_open_exchange(Connection& connection, uint32_t number);

// ExchangeFlags of the exchange that the next response answers.
uint32_t flags_to_answer(Connection& connection);
// A response behind which HTTP/1 ends, to a request with these flags.
bool is_upgrade(uint32_t status, uint32_t exchange_flags);
// What is sent next is nothing of which the times will be asked for: of a message that has begun,
// or of an answer to a request that is not recorded.
bool sends_unrecorded(Connection& connection);
// A response that has no body, whatever its header block says.
bool is_bodiless(uint32_t status, uint32_t exchange_flags);
// A response whose body has neither a length nor chunks.
bool ends_with_connection(const http_parser& parser);

void begin_message(Connection& connection, Direction& direction, Way way);
// The header block is complete. False: what passes makes no sense.
bool head_complete(Connection& connection, Direction& direction, Way way, Block block,
                   const Moment& now);
void report_trailers(Connection& connection, Direction& direction, Way way, Block block);
void message_complete(Connection& connection, Direction& direction, const Moment& now);

// The direction's last message is a response that HTTP/1 ends with.
bool is_upgraded(Connection& connection, const Direction& direction);
// After 101 and CONNECT 2xx. What is open (pipelined requests) can have no answer any more.
void upgrade(Connection& connection, bool to_http2, const Moment& now);

}  // namespace telinject::program
