// What telrun says at the end.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "shim/channel/settings.h"
#include "shim/drain/naming/sites.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/report/losses.h"
#include "shim/http/http_totals.h"

namespace telinject::drain {

struct SummaryFacts {
  uint64_t spans = 0;               // entry events
  uint64_t events = 0;              // all lines
  uint64_t processes = 0;           // that had at least one span
  uint64_t joined = 0;              // that loaded the library
  uint64_t bytes = 0;               // written
  uint64_t bytes_before = 0;        // by the processor whose work this one goes on with
  std::string destination;          // as the sink describes itself
  std::string file;                 // "" if it is not a file
  std::string program;              // path of what telrun started
  uint64_t sample_rate = kRateOne;  // in billionths
  bool exact_totals = false;        // else those of the sample, scaled
  FilterCounts filtered = {};       // spans, by the filter that they did not pass
  uint64_t waits = 0;               // of threads, for room in their lanes
  int64_t waited_ns = 0;            // in all
  uint64_t preemptions = 0;
  int64_t preempted_ns = 0;
  RunTimes run;                       // of all threads that were sampled
  std::vector<std::string> untraced;  // why processes could not be traced

  // Where events go is told by whoever writes them.
  template <typename Archive>
  void io(Archive& a) {
    a(spans, events, processes, joined, bytes_before, program, filtered, waits, waited_ns,
      preemptions, preempted_ns, run, untraced);
  }
};

// Several lines, each ended by a newline.
std::string summary_text(const SummaryFacts& facts, const Losses& losses,
                         const std::deque<FunctionTotals>& totals,
                         const HttpTotals& http = HttpTotals());

// Nanoseconds that recording an entry and an exit takes on this machine, measured now with the same
// instructions; about two milliseconds.
double measure_pair_cost_ns();

}  // namespace telinject::drain
