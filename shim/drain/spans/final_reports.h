// What is told of all calls at the end: the totals of functions in a file, and the summary.
//
// Owns the totals' file. What it tells is the others' (SummaryFacts, Losses, totals).
#pragma once

#include <memory>
#include <utility>

#include "shim/drain/naming/site_table.h"
#include "shim/drain/report/totals_report.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/http/http_totals.h"

namespace telinject::drain {

class FinalReports {
 public:
  // `totals` may be null: they are not wanted.
  FinalReports(std::unique_ptr<DocumentFile> totals, const SiteCache* sites, const HttpTotals* http,
               EventWriter* events)
      : totals_(std::move(totals)), sites_(sites), http_(http), events_(events) {}

  // As they are now. If that fails it is told, and not tried again.
  void write_totals();
  // On standard error.
  void print_summary();

 private:
  std::unique_ptr<DocumentFile> totals_;
  const SiteCache* sites_;
  const HttpTotals* http_;
  EventWriter* events_;
};

}  // namespace telinject::drain
