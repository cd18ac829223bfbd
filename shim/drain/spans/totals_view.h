// The totals of all parts, as outputs read them (shim/events/totals.h). Counts nothing itself.
#pragma once

#include <cstdint>

#include "shim/drain/naming/site_table.h"
#include "shim/drain/report/request_totals.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/events/totals.h"

namespace telinject::drain {

class TotalsView final : public TotalsSource {
 public:
  // As of `now_ns`, counted since `started_ns`. All pointers outlive it.
  TotalsView(const SiteCache* sites, const RequestTotals* requests, EventWriter* events,
             int64_t started_ns, int64_t now_ns)
      : sites_(sites),
        requests_(requests),
        events_(events),
        started_ns_(started_ns),
        now_ns_(now_ns) {}

  bool empty() const override;
  void read(TotalsReader* reader) const override;
  const Metadata& metadata() const override { return events_->metadata(); }
  int pid() const override { return events_->first_pid(); }
  int64_t started_ns() const override { return started_ns_; }
  int64_t now_ns() const override { return now_ns_; }
  uint64_t sample_rate() const override;

 private:
  void read_functions(TotalsReader* reader) const;
  void read_losses(TotalsReader* reader) const;

  const SiteCache* sites_;
  const RequestTotals* requests_;
  EventWriter* events_;
  int64_t started_ns_, now_ns_;
};

}  // namespace telinject::drain
