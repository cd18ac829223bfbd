// A server's answers to requests that are not recorded, left unread.
//
// They are not recorded, and reading them is the greater part of what such a request costs. What
// they are read for all the same is where they end: then the thread is out of the request's trace,
// and what it sends next is the answer to the next request. The first matters only to what asks
// which trace a thread is in: calls of functions, requests of our own, threads, programs. Until a
// thread that serves requests asks, an answer is over as soon as it begins. (If that is in the
// middle of one, the process's first question may be answered as if the request were over.) The
// second is as certain without reading: a client asks again when it has its answer, so the next
// answer is what then begins with "HTTP/1.". A client that does not wait (pipelining) is noticed
// where two requests are open at once; from then on its connection's answers are read.
//
// Async-signal-safe. Only what is at work in the direction that is sent may call leave_unread().
#pragma once

#include "hooks/http/connection.h"

namespace telinject::program {

// May this request, if it is not recorded, go without an exchange? It is bare then: all that is
// kept of it is how many there were. Not if it may upgrade the connection.
bool may_be_bare(const Connection& connection, const Block& block);
// `flags`: what its exchange would have.
void begin_bare(Connection& connection, uint32_t number, uint32_t flags, Lane* lane);
// Its answer has begun, or there will be none. False: there was none that waited.
bool answer_bare(Connection& connection);
// The request of this number begins. If one before it is not answered yet, that has an exchange
// from now on. False: which answer comes next cannot be told any more.
bool see_pipelining(Connection& connection, uint32_t number);

// What is sent now belongs to an answer that has begun and is left unread, and no further request
// has begun.
inline bool is_unread(const Connection& connection) {
  return direction_of(connection, Way::kSent).unread && connection.asked == connection.answered;
}
// What was sent now belongs to an answer that is left unread. `data`: null if it is not at hand.
bool leave_unread(Connection& connection, const void* data, uint64_t size);

}  // namespace telinject::program
