// A connection that spoke HTTP and that is given up (HttpEndReason::kUnparsed): what passes from
// there on is not read, but the exchanges that it carries are counted as lost (http_unparsed).
//
// What is counted. Of HTTP/1: each call whose bytes begin with what looks like a start line, in the
// direction of the requests: a token, a blank, and "HTTP/1." before the line's end (or, where the
// end is not at hand, a path). Of HTTP/2: each time that bytes of the client follow bytes of the
// server. So pipelined requests, and those of several streams at once, count as one.
//
// Async-signal-safe.
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

void count_given_up(Connection& connection, Way way, const uint8_t* data, size_t size);
// Does a request begin here?
bool looks_like_request(const uint8_t* data, size_t size);

}  // namespace telinject::program
