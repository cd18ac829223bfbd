// Decides what is sent when, and what an answer means for it: without a net and without a clock, so
// that tests can play both. Delivery's thread does what it says.
//
//   - A request has as many items as Limits allow, and Limits::in_flight are under way at a time.
//   - After a failure that may pass, the endpoint is left alone: as long as it wants, at most 30 s,
//     or for a pause that grows by half each time, +-50 %. Then one request tries, and the others
//     follow when it is answered.
//   - What is too large is halved, down to one item.
//
// For one thread at a time (Delivery's lock), but for the two functions that say otherwise: they
// take their time.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shim/delivery/delivery.h"
#include "shim/delivery/telling.h"
#include "shim/delivery/waiting_items.h"
#include "shim/net/http_request.h"

namespace telinject::delivery {

// Items [from, to) of a batch: what one request has.
struct Piece {
  std::shared_ptr<const Batch> batch;
  size_t from = 0, to = 0;
  unsigned resets = 0;  // of HTTP/2 streams, as a request of one item

  size_t items() const { return to - from; }
};

class Dispatch {
 public:
  using TimePoint = steady_clock::time_point;
  using Random = std::function<double()>;  // from 0 to below 1

  Dispatch(const Endpoint& endpoint, const Delivery::Limits& limits, Delivery::Tell tell,
           Random random);

  void add(Batch batch, TimePoint now);

  struct Request {
    uint64_t id;
    Piece piece;
  };
  // The next request that may be sent now. It is under way until it is answered. If what comes next
  // is in the spool, next_stored() has it, and next() goes on when it has been put back.
  std::optional<Request> next(TimePoint now);
  std::optional<WaitingItems::Stored> next_stored(TimePoint now);
  // From the disk; null if it cannot be read. From any thread.
  std::shared_ptr<const Batch> read(const WaitingItems::Stored& stored) {
    return waiting_.read(stored);
  }
  void put_back(const WaitingItems::Stored& stored, std::shared_ptr<const Batch> batch,
                TimePoint now);
  // When next() may have something, unless an answer comes before.
  TimePoint next_at() const;
  // What a response means for a request of so many items. From any thread. `wall_seconds`: since
  // 1970.
  struct Reading {
    Verdict verdict;
    net::HttpFailure failure = net::HttpFailure::kNone;
    bool late = false;   // no answer in time, not even a status
    std::string words;   // the receiver's, as they may be told
    std::string detail;  // "status 400: "words"", "no answer within 500 ms"
  };
  Reading read(const net::HttpResponse& response, size_t items, int64_t wall_seconds) const;
  // `body_bytes`: of the request, before compression.
  void answered(uint64_t id, const Reading& reading, uint64_t body_bytes, TimePoint now);

  // Whether requests that are not full are sent at once.
  void set_flushing(bool flushing) { flushing_ = flushing; }
  // The program has ended: pauses of our own are short.
  void hurry(TimePoint now);
  // Everything that was taken is accepted or counted.
  bool idle() const;
  // The last answer was a failure that may pass.
  bool failing() const { return failures_ > 0; }
  // Nothing is sent any more; what is added is counted as rejected.
  bool stopped() const { return stopped_; }
  // The endpoint cannot be spoken to on this machine (no libcurl, no certificate): why; else "".
  const std::string& unusable() const { return unusable_; }
  const std::string& last_problem() const { return last_problem_; }
  // When something was last accepted, or counted as lost, by an answer.
  TimePoint last_progress() const { return last_progress_; }

  // The next of all that is neither, under way or not, as pieces that are forgotten here: each is
  // counted by count_left() or count_not_left() before the next is taken. left_stored() is to it
  // what next_stored() is to next().
  std::optional<Piece> take_left(TimePoint now);
  std::optional<WaitingItems::Stored> left_stored(TimePoint now);
  void count_left(size_t items);
  void count_not_left(size_t items, const std::string& why, TimePoint now);
  // All of that is lost.
  void lose_all(const std::string& why, TimePoint now);
  void end() { lines_.end(); }

  uint64_t memory_bytes() const { return waiting_.memory_bytes(); }
  Totals totals() const;
  const std::string& who() const { return who_; }

 private:
  struct UnderWay {
    Piece piece;
    uint64_t round;  // that it was sent in
  };
  // A request and its answer.
  struct Answered {
    Piece piece;
    const Reading& reading;
    uint64_t body_bytes;
    bool first;  // of those that were sent together: its failure counts
    TimePoint now;
  };

  bool may_send(TimePoint now) const;
  std::optional<WaitingItems::Stored> take_stored(TimePoint now, bool all);
  std::optional<Piece> cut(TimePoint now, bool all);
  void judge(Answered answered);
  void accept(const Answered& answered);
  void too_large(Answered answered);
  void retry(const Answered& answered, Piece piece);
  void pause(const Answered& answered);
  void stop(const Answered& answered);
  size_t forget_waiting();
  void count_lost(Loss loss, uint64_t items, const std::string& detail, TimePoint now);
  void tell_once(const std::string& words);
  milliseconds own_pause();

  const Endpoint& endpoint_;
  const Delivery::Limits limits_;
  const Delivery::Tell tell_;
  const Random random_;
  const std::string who_;
  WaitingItems waiting_;
  LossLines lines_;
  std::deque<Piece> again_;  // before all that waits
  Piece rest_;               // of the batch that is being cut
  size_t taken_out_ = 0;     // items that are read from the spool, or written to a file
  std::map<uint64_t, UnderWay> under_way_;
  uint64_t next_id_ = 0;
  unsigned failures_ = 0;  // in a row; of requests that were under way together, one
  uint64_t round_ = 0;     // ends with each failure that counts
  TimePoint not_before_;
  bool told_pause_ = false;  // not_before_ is the receiver's wish
  bool flushing_ = false, hurried_ = false, stopped_ = false, words_told_ = false;
  std::string unusable_, last_problem_;
  TimePoint last_progress_;
  Totals totals_;
};

}  // namespace telinject::delivery
