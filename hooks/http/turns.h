// Finds the served request that is the cause of what a thread does now, where an event loop leaves
// no doubt.
//
// A turn is what a thread does between two waits for descriptors (epoll_wait, poll, select). A wait
// that only looks, and finds nothing, does not end it. All of a turn is for one descriptor if
//   - the wait reported this descriptor and no other;
//   - nothing else was left to do: the wait was allowed to take time, and no timer that it knew of
//     can be due yet;
//   - no other thread gives this one work: the process has one thread.
// If one request is received in such a turn, on that descriptor, it is the cause of the requests
// that are sent and the connections that are made in the rest of the turn. It is also the cause of
// the first request on such a connection, unless the program may have given the connection to
// another request that waited (is_for_its_cause()).
//
// Async-signal-safe, no allocation. Nothing is noted before the process has both received a request
// and connected to something: a server that sends no requests pays one load for each wait. A
// process with several threads pays a few loads and stores; nothing is known of its turns.
#pragma once

#include <cstdint>

#include "hooks/http/connection.h"

namespace telinject::program {

enum Roles : uint32_t { kServes = 1, kAsks = 2 };
extern std::atomic<uint32_t> g_roles;  // that the process has been seen in
inline bool turns_matter() {
  return g_roles.load(std::memory_order_relaxed) == (kServes | kAsks);
}

// Maps its table. Before any other thread.
void prepare_turns();

// The descriptor's events carry `data` (epoll_ctl); 0: that is not known.
void descriptor_awaits_event(int fd, uint64_t data);

// This thread waits by epoll: it is an event loop.
void note_loop();
// This thread is one of several event loops, and several requests are open. Such threads may share
// their work, so this one may work for a request that another thread has received.
bool works_for_others();

// A wait, around its call. Its limit in nanoseconds; below zero: there is none.
class Wait {
 public:
  explicit Wait(int64_t limit_ns);
  // It has returned `ready`. Of one event: its data; or the descriptor, if the wait told that.
  void over_with_event(int ready, uint64_t data) const;
  void over_with_descriptor(int ready, int fd) const;

 private:
  void over(int ready, uint64_t of, bool is_descriptor) const;
  int64_t limit_ns_;
  bool was_alone_;
};

// A request was received, and this is its span (not sampled: none is written); or one whose span is
// not known.
void turn_serves(const Connection& connection, uint32_t exchange, const TraceContext& span);
void turn_serves_unknown();

// A connection was accepted from the descriptor that listens.
void turn_accepts(int listening, int fd);

// A descriptor has been connected. True if its connection is to be made now, and given to
// turn_connects(); null: there is no memory for it.
bool notes_connections();
void turn_connects(Connection* connection);
// Something passes on it now, or it is over.
void pending_over(Connection& connection);

// The cause of a client request that is sent now: the `number`th on this connection (null: it is
// not known yet). False if the cause is not known.
bool known_cause(Connection* connection, uint32_t number, TraceContext* span);
// A client request was sent whose cause is not known otherwise: the `number`th on this connection.
// If the turn does not tell it either, it may be the one that a pending connection was made for.
void turn_asks(const Connection& connection, uint32_t number);

}  // namespace telinject::program
