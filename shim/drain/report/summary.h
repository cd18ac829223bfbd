// What telrun says at the end.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "shim/channel/settings.h"
#include "shim/drain/naming/sites.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/report/error_totals.h"
#include "shim/drain/report/http_totals.h"
#include "shim/drain/report/losses.h"

namespace telinject::drain {

// Where events go.
struct DestinationFacts {
  std::string name;          // as the sink describes itself
  uint64_t bytes = 0;        // written
  std::string outcome = {};  // "" if there is no more to say than their number
};

struct SummaryFacts {
  uint64_t spans = 0;         // entry events
  uint64_t events = 0;        // all lines
  uint64_t processes = 0;     // that had at least one span
  uint64_t joined = 0;        // that loaded the library
  uint64_t bytes = 0;         // written
  uint64_t bytes_before = 0;  // by the processor whose work this one goes on with
  std::vector<DestinationFacts> destinations;
  std::string file;                 // "" if it is not a file
  std::string kept;                 // what an output tells of events that it left out; "" if none
  std::string program;              // path of what telrun started
  uint64_t sample_rate = kRateOne;  // in billionths
  bool exact_totals = false;        // else those of the sample, scaled
  FilterCounts filtered = {};       // spans, by the filter that they did not pass
  uint64_t waits = 0;               // of threads, for room in their lanes
  int64_t waited_ns = 0;            // in all
  uint64_t preemptions = 0;
  int64_t preempted_ns = 0;
  RunTimes run;                              // of all threads that were sampled
  std::map<std::string, uint64_t> untraced;  // why processes could not be traced, and how many
  void not_traced(const std::string& why) {
    constexpr size_t kMostReasons = 100;
    bool no_room = untraced.size() >= kMostReasons && !untraced.contains(why);
    untraced[no_room ? "other reasons" : why]++;
  }

  // Without the destination, which the event writer sets.
  template <typename Archive>
  void io(Archive& a) {
    a(spans, events, processes, joined, bytes_before, program, filtered, waits, waited_ns,
      preemptions, preempted_ns, run, untraced);
  }
};

// Several lines, each ended by a newline.
std::string summary_text(const SummaryFacts& facts, const Losses& losses,
                         const std::deque<FunctionTotals>& totals,
                         const HttpTotals& http = HttpTotals(),
                         const ErrorTotals& errors = ErrorTotals());

// Nanoseconds that recording an entry and an exit takes on this machine, measured now with the same
// instructions; about two milliseconds.
double measure_pair_cost_ns();

}  // namespace telinject::drain
