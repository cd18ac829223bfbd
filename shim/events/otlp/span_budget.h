// Keeps the spans that are sent to a sane number: so many a trace, and so many a second a process.
//
// - What is left out is counted on the nearest ancestor that is sent: all calls are accounted for.
// - The parent of a span that is sent is sent, too. A call lasts at least as long as the calls it
//   makes, so choosing the longest chooses their callers; a caller that is still open then is sent
//   when it ends. Where no number is left for it, the span moves up to the nearest ancestor that
//   is sent.
// - Memory: what waits is bounded by the numbers; besides, some bytes for each open span.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "shim/events/event.h"
#include "shim/events/otlp/span_encoder.h"

namespace telinject::otlp {

class SpanBudget {
 public:
  struct Limits {
    uint64_t per_trace = 10000, per_second = 2000;  // 0: no limit
    bool any() const { return per_trace != 0 || per_second != 0; }
  };
  // What counts first. A span that a sent one has for its parent is certain.
  enum class Rank : uint8_t { kCall, kThreadRoot, kTraceRoot, kForemost, kCertain };

  // A span that has ended and waits.
  struct Held {
    EventPlace place;  // its parent is set when it is chosen
    int64_t duration_ns = 0;
    uint64_t order = 0;  // of its end
    uint32_t process = 0;
    Rank rank = Rank::kCall;
    bool chosen = false;
    bool from_elsewhere = false;  // the parent is
    LeftOut left_out;
    // The user's: its encoding, and what it is.
    std::string fields;
    bool operation = false;
  };
  using Send = std::function<void(const Held&)>;

  SpanBudget(const Limits& limits, Send send);

  // `remote_parent`: the parent is none of the spans that are seen here.
  void start(const EventPlace& place, uint32_t process, uint64_t thread, bool operation,
             bool remote_parent);
  // Null if the span is left out; else where its encoding belongs.
  Held* end(const EventPlace& place, int64_t duration_ns, uint32_t process, bool foremost);
  // Sends what is chosen of all that waits.
  void choose();
  // The process's number may become another one's.
  void forget(uint32_t process);
  // True if something waits, and has for a second, by the clock on the wall.
  bool is_late() const;

  uint64_t left_out() const { return left_out_; }
  // Of those, calls without an ancestor to count them on.
  uint64_t unplaced() const { return unplaced_; }

 private:
  struct Trace {
    uint64_t left = 0;      // of per_trace, less the reserve
    uint64_t reserve = 0;   // for callers that are open when their calls are chosen
    uint64_t left_now = 0;  // of that, in this second
    int64_t second = -1;    // that left_now is of
    uint64_t top = 0;       // the span that began first
    uint64_t open = 0;      // spans
    uint64_t left_out = 0;  // spans
  };
  struct Open {
    uint64_t parent = 0, thread = 0;
    Trace* trace = nullptr;
    uint32_t process = 0;
    Rank rank = Rank::kCall;
    bool from_elsewhere = false;
    LeftOut left_out;
  };
  struct Process {
    uint64_t tokens = 0;
    int64_t refilled_ns = 0;
    std::vector<Held*> heap;  // the least first
  };
  struct TraceHash {
    size_t operator()(const TraceId& id) const { return id.lo ^ id.hi; }
  };
  struct SameTrace {
    bool operator()(const TraceId& a, const TraceId& b) const {
      return a.hi == b.hi && a.lo == b.lo;
    }
  };

  void reach(int64_t ns);
  Trace* trace_of(TraceId id);
  Process* process_of(uint32_t number);
  void refill(Process* process) const;
  bool admits(Process* process, const Trace& trace, Rank rank, int64_t duration_ns);
  Held* hold(const EventPlace& place, const Open& open, int64_t duration_ns);
  void leave_out(std::unique_ptr<Held> span);
  void leave_out(TraceId trace, uint64_t parent, int64_t duration_ns, const LeftOut& below);
  LeftOut* counter_of(uint64_t span);
  bool pay(Trace* trace, Process* process, Rank rank) const;
  bool make_certain(Open* open);
  uint64_t kept_ancestor(const Held& span);
  bool is_kept(uint64_t span);
  void send(const Held& span);
  void release(std::unique_ptr<Held> span);

  const Limits limits_;
  const Send send_;
  int64_t now_ns_ = 0, window_ns_ = 0;  // the latest event; since when spans wait
  int64_t waits_since_ns_ = 0;          // by the clock on the wall; 0: nothing waits
  uint64_t order_ = 0;
  absl::flat_hash_map<uint64_t, Open> open_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Held>> held_;
  std::unordered_map<TraceId, Trace, TraceHash, SameTrace> traces_;  // stay where they are
  TraceId last_trace_ = {};
  Trace* last_ = nullptr;
  std::unordered_map<uint32_t, Process> processes_;
  std::vector<std::unique_ptr<Held>> free_;
  absl::flat_hash_set<uint64_t> sent_;  // the last ones
  std::deque<uint64_t> sent_order_;
  uint64_t left_out_ = 0, unplaced_ = 0;
};

}  // namespace telinject::otlp
