// All spans of some recordings in columns: the source of every view (exports, trees, reports).
//
// Calls are in tracks. A track is a thread, or one of several stacks (coroutines) of a thread, so
// its calls nest. Calls are numbered in the order of their starts. A call takes 20 bytes. Times are
// in nanoseconds, timestamps since 1970.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/drain/naming/function_totals.h"
#include "shim/events/duration_histogram.h"

namespace telinject::views {

using drain::FunctionTotals;

inline constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

struct ProcessRow {
  int pid = 0;
  std::string name;  // of its executable, without folders
  std::string command_line;
};

// A function as called from one place.
struct SiteRow {
  uint32_t function = 0;  // in SpanLog::functions
  std::string caller_file;
  uint64_t caller_line = 0;  // 0: unknown
};

// A call: its track and its number there.
struct CallRef {
  uint32_t track = kNone, call = 0;
  bool known() const { return track != kNone; }
};

// What went wrong in a call.
struct Mark {
  std::string exit_kind;  // how it ended: "exception", "killed"; "" if it returned
  bool failed = false;    // else it ended otherwise than by a return: exit(), longjmp, ...
  std::string type, message, stack;
  uint64_t lost_calls = 0;  // that were not recorded while it was open
};

class Track {
 public:
  uint32_t process = 0;  // in SpanLog::processes
  int tid = 0;
  std::string thread_name;
  uint32_t stack = 0;  // 0: the first of its thread

  uint32_t size() const { return static_cast<uint32_t>(start_.size()); }
  int64_t start_ns(uint32_t call) const { return start_[call]; }
  // Until its end on the clock. A call that had not ended when the log was made ends with the log.
  int64_t length_ns(uint32_t call) const {
    return length_[call] == kLong ? long_.at(call) : length_[call];
  }
  int64_t end_ns(uint32_t call) const { return start_ns(call) + length_ns(call); }
  // The part of its length that was the program's: without waiting for the tracer and time in which
  // another thread had the processor.
  int64_t duration_ns(uint32_t call) const;
  uint32_t site(uint32_t call) const { return site_[call]; }
  uint32_t depth(uint32_t call) const { return depth_[call]; }  // 0: outermost
  // The call in another track that an outermost call was made by, if that is known.
  CallRef origin(uint32_t call) const;
  const std::map<uint32_t, Mark>& marks() const { return marks_; }
  const absl::flat_hash_map<uint32_t, CallRef>& origins() const { return origins_; }

  // Adds a call; it has no length yet.
  uint32_t add(int64_t start_ns, uint32_t site, uint32_t depth);
  void end(uint32_t call, int64_t length_ns, int64_t duration_ns);
  void set_origin(uint32_t call, CallRef from) { origins_[call] = from; }
  void mark(uint32_t call, Mark mark) { marks_[call] = std::move(mark); }
  void unmark(uint32_t call) { marks_.erase(call); }

 private:
  static constexpr uint32_t kLong = std::numeric_limits<uint32_t>::max();

  std::vector<int64_t> start_;
  std::vector<uint32_t> length_, site_, depth_;
  absl::flat_hash_map<uint32_t, int64_t> long_;  // lengths of more than four seconds
  absl::flat_hash_map<uint32_t, int64_t> away_;  // length without duration, where they differ
  absl::flat_hash_map<uint32_t, CallRef> origins_;
  std::map<uint32_t, Mark> marks_;
};

// Calls visit.enter(call) and visit.leave(call, end_ns) for the calls of a track in the order of
// time, properly nested: a call that ends after its caller is ended with it.
template <typename Enter, typename Leave>
void walk(const Track& track, Enter enter, Leave leave) {
  struct Open {
    uint32_t call;
    int64_t end_ns;
  };
  std::vector<Open> open;
  auto close = [&] {
    leave(open.back().call, open.back().end_ns);
    open.pop_back();
  };
  for (uint32_t call = 0; call < track.size(); call++) {
    while (open.size() > track.depth(call)) close();
    int64_t end = track.end_ns(call);
    if (!open.empty() && open.back().end_ns < end) end = open.back().end_ns;
    enter(call);
    open.push_back({call, end});
  }
  while (!open.empty()) close();
}

// What each call of a track took without the calls directly below it, of what `measure(call)`
// gives: lengths or durations.
template <typename Measure>
std::vector<int64_t> own_parts(const Track& track, Measure measure) {
  std::vector<int64_t> own(track.size());
  std::vector<uint32_t> path;
  for (uint32_t call = 0; call < track.size(); call++) {
    own[call] = measure(call);
    if (path.size() > track.depth(call)) path.resize(track.depth(call));
    if (!path.empty()) own[path.back()] -= own[call];
    path.push_back(call);
  }
  return own;
}

// All calls of the same function below the same calls.
struct TreeNode {
  uint32_t parent = 0;        // 0: the root, which is no call
  uint32_t function = kNone;  // in SpanLog::functions
  uint32_t site = kNone;      // of the first such call
  uint64_t calls = 0;
  int64_t own_ns = 0;   // without callees, and without waiting for HTTP
  int64_t http_ns = 0;  // waiting for responses to requests of its own
  int64_t max_ns = 0;
};

class CallTree {
 public:
  static constexpr uint32_t kRoot = 0;
  CallTree() : nodes_(1) {}

  uint32_t child(uint32_t parent, uint32_t function);  // made if it does not exist
  TreeNode& operator[](uint32_t node) { return nodes_[node]; }
  const TreeNode& operator[](uint32_t node) const { return nodes_[node]; }
  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  // The children of each node, those with most time (their own and that of all below) first, and
  // that time for each node.
  struct Order {
    std::vector<std::vector<uint32_t>> children;
    std::vector<int64_t> inclusive_ns;
  };
  Order ordered() const;

 private:
  std::vector<TreeNode> nodes_;
  absl::flat_hash_map<uint64_t, uint32_t> children_;  // parent << 32 | function
};

// An HTTP exchange.
struct Exchange {
  uint32_t process = 0;
  int tid = 0;
  uint64_t id = 0, parent = 0;  // span ids
  CallRef caller;               // the call that it was made by or serves, if that is known
  bool server = false;
  std::string method, url;
  int status = 0;  // 0: no response
  std::string error_type;
  int64_t start_ns = 0, end_ns = 0;
  int64_t first_byte_ns = -1;  // since the start; -1: unknown
  uint64_t response_bytes = 0;
};

struct SpanLog {
  std::vector<ProcessRow> processes;
  std::deque<FunctionTotals> functions;     // names and exact sums of the calls in the log
  std::deque<DurationHistogram> own_times;  // by function: of calls, without callees
  std::vector<SiteRow> sites;
  std::deque<Track> tracks;  // in the order of their first calls
  std::vector<Exchange> exchanges;
  CallTree tree;
  uint64_t calls = 0;
  uint64_t unshown_calls = 0;         // in sums, but in no track
  uint64_t unshown_failures = 0;      // among them
  uint64_t exceptions = 0;            // that were thrown
  bool loss_unknown = false;          // more was lost than lost_calls says
  uint64_t lost_calls = 0;            // not recorded
  double sample_rate = 1;             // the lowest of its processes
  int64_t first_ns = 0, last_ns = 0;  // the first start, the last end; 0 if there is no span

  const FunctionTotals& function_of(const Track& track, uint32_t call) const {
    return functions[sites[track.site(call)].function];
  }
};

}  // namespace telinject::views
