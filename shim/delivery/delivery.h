// Sends batches to one endpoint, in the background: the program's drain never waits for it.
//
// One thread owns all that belongs to the net (libcurl's multi interface). What waits is kept in
// memory, then in a spool file without a name, up to their bounds; beyond them whole traces are
// left out and counted. Nothing is lost below the bounds: a request that failed in a way that may
// pass (429, 502, 503, 504, no connection, no answer) is sent again, with growing pauses.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shim/delivery/batch.h"
#include "shim/delivery/endpoint.h"

namespace telinject::delivery {

using std::chrono::steady_clock;

// Of items, but for the last three.
struct Totals {
  uint64_t taken = 0;       // by add()
  uint64_t sent = 0;        // and accepted
  uint64_t rejected = 0;    // by the receiver, for good
  uint64_t oversize = 0;    // too large for the receiver even alone
  uint64_t timeout = 0;     // no answer in time, and not to be sent twice
  uint64_t sink_error = 0;  // no room for them, or they could not be kept
  uint64_t left = 0;        // kept in a file when the endpoint was given up
  uint64_t waiting = 0;     // neither of these yet
  uint64_t requests = 0;    // that were answered or failed
  uint64_t retried = 0;     // of those
  uint64_t bytes = 0;       // of accepted bodies, before compression

  uint64_t lost() const { return rejected + oversize + timeout + sink_error; }
};

class Delivery {
 public:
  struct Limits {
    size_t body_bytes = 2 << 20;  // of a request, before compression; one item may be larger
    size_t body_items = 4096;
    milliseconds linger{1000};         // a request that is not full waits so long for more items
    size_t in_flight = 4;              // requests
    uint64_t memory_bytes = 64 << 20;  // that wait, or are in flight
    uint64_t spool_bytes = 1 << 30;
    std::string spool_directory = "/var/tmp";  // of the spool, and of what is left at the end
    milliseconds first_pause{1000}, longest_pause{30000};  // before a request is sent again
    // After hurry(), without anything accepted for so long, the endpoint is given up.
    milliseconds patience{5000};
  };
  using Tell = std::function<void(const std::string& line)>;

  // `tell` gets lines for the user: when loss begins and ends, an endpoint that refuses. From any
  // thread. The thread starts with the first batch.
  Delivery(Endpoint endpoint, const Limits& limits, Tell tell);
  // Ends at once; what waits is lost and counted nowhere: call finish() before.
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Takes a batch of any size; it is cut into requests. Never waits for the receiver. One thread at
  // a time.
  void add(Batch batch);
  // Waits until at most half of the memory is used, or the endpoint is given up: for who can wait,
  // instead of a spool. False if it was given up.
  bool wait_for_room();

  // All that was added is accepted or counted when this returns true. False at the deadline, or if
  // the endpoint does not answer now and the program has not ended. Nothing is cut short by it.
  bool flush(steady_clock::time_point deadline);
  // From now on the program has ended: pauses before a retry are short, and an endpoint that
  // accepts nothing for Limits::patience is given up, as is any at the deadline. Of several
  // deadlines the earliest counts.
  void hurry(steady_clock::time_point deadline);
  // The end: delivers until hurry()'s limits (for which flush() waits, too). What is left then is
  // in a new file in the spool's directory, which the user was told of; so is what is added later.
  // Returns the file's path; "" if nothing is left, or it could not be kept (sink_error).
  std::string finish();

  Totals totals() const;
  // Nothing more will be delivered: stopped by 401, 403, 404, or given up. The user knows why.
  bool hopeless() const;
  std::string describe() const;  // for the user: "http http://host:8080/path"

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

// Collects items, and hands them on when there are as many as a request may have. For one thread.
class Batcher {
 public:
  // `delivery` must outlive it.
  Batcher(Delivery* delivery, const Delivery::Limits& limits);

  // Items of different framings are in different batches.
  void add(const std::shared_ptr<const Framing>& framing, std::string_view item, TraceId trace,
           uint32_t group = 0);
  void pass_on();          // what was collected, to the delivery
  void pass_on_if_late();  // if its first item was added a second ago

 private:
  Delivery* delivery_;
  size_t most_bytes_, most_items_;
  Batch batch_;
  steady_clock::time_point since_;
};

}  // namespace telinject::delivery
