// Totals as values: what became of all calls and requests until now, those that are in no event
// included. The drain adds them up; an output may read them (EventOutput::take_totals).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "shim/channel/settings.h"
#include "shim/events/duration_histogram.h"
#include "shim/metadata/metadata.h"

namespace telinject {

// Times that a program makes up must not overflow the sums.
inline void add_ns(int64_t* sum, int64_t ns) {
  if (__builtin_add_overflow(*sum, ns, sum)) *sum = std::numeric_limits<int64_t>::max();
}

// What a sum over a sample stands for; `rate`: that of the sample, in billionths.
inline uint64_t estimated(uint64_t sum, uint64_t rate) {
  if (rate == kRateOne || rate == 0) return sum;
  auto scaled = static_cast<unsigned __int128>(sum) * kRateOne + rate / 2;
  return static_cast<uint64_t>(std::min<unsigned __int128>(scaled / rate, ~uint64_t{0}));
}

inline int64_t estimated_ns(int64_t sum_ns, uint64_t rate) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::min(estimated(static_cast<uint64_t>(sum_ns), rate), kMost));
}

using CountsByType = std::map<std::string, uint64_t>;

// Calls of a function that ended. Several rows may have the same texts: of overloads, for example.
struct FunctionCounts {
  std::string_view name, module, file;  // "" if not known
  uint64_t calls = 0;
  int64_t self_ns = 0, total_ns = 0, min_ns = 0, max_ns = 0;
  const DurationHistogram* durations = nullptr;
  const CountsByType* errors = nullptr;  // those of the calls that ended by an error
};

// HTTP exchanges that are over, of one side and with the same attributes.
struct RequestCounts {
  bool server = false;
  std::string_view method;  // "_OTHER" if it is none of the known ones
  std::string_view scheme, host, version;
  uint16_t port = 0;       // 0: not known
  int status = 0;          // 0: there was no response
  std::string_view error;  // error.type; "" if it did not fail
  uint64_t requests = 0;
  int64_t total_ns = 0, min_ns = 0, max_ns = 0;
  const DurationHistogram* durations = nullptr;
};

class TotalsReader {
 public:
  virtual ~TotalsReader() = default;
  virtual void function(const FunctionCounts& counts) = 0;
  virtual void requests(const RequestCounts& counts) = 0;
  // Each exception, process that failed and failed exchange, once.
  virtual void errors(std::string_view source, std::string_view type, uint64_t count) = 0;
  // Not recorded; recorded, but kept out of the events by a filter.
  virtual void lost_calls(std::string_view reason, uint64_t count) = 0;
  virtual void filtered_calls(std::string_view filter, uint64_t count) = 0;
  // That outputs kept back of their own accord.
  virtual void left_out_spans(uint64_t count) = 0;
};

class TotalsSource {
 public:
  virtual ~TotalsSource() = default;
  virtual bool empty() const = 0;  // nothing was counted
  // What the reader gets lives until the call that gives it returns, but for what it points to:
  // that lives until read() returns.
  virtual void read(TotalsReader* reader) const = 0;
  // Of all processes of the session, and one of them that stands for it.
  virtual const Metadata& metadata() const = 0;
  virtual int pid() const = 0;
  virtual int64_t started_ns() const = 0;  // since 1970, as of
  virtual int64_t now_ns() const = 0;
  // Of the calls that are counted: kRateOne if all are.
  virtual uint64_t sample_rate() const = 0;
};

}  // namespace telinject
