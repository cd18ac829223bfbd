#include "shim/drain/spans/final_reports.h"

#include <algorithm>
#include <deque>
#include <string>

#include "shim/drain/base/warn.h"
#include "shim/drain/report/summary.h"
#include "shim/sinks/standard_error.h"

namespace telinject::drain {

void FinalReports::write_totals() {
  if (totals_ == nullptr) return;
  const std::deque<FunctionTotals>& all = sites_->totals();
  bool counted = events_->losses().total() > 0 || http_->requests() > 0 ||
                 std::any_of(all.begin(), all.end(), [](auto& each) { return each.calls > 0; });
  std::string text = totals_json(events_->facts(), events_->losses(), all, *http_);
  std::string problem;
  if (totals_->write(text, counted, &problem)) return;
  warn("cannot write totals to ", problem);
  totals_ = nullptr;
}

void FinalReports::print_summary() {
  constexpr int kPatienceMs = 2000;
  events_->count_bytes();
  StandardError::get().tell(summary_text(events_->facts(), events_->losses(), sites_->totals(),
                                         *http_, events_->errors()),
                            kPatienceMs);
}

}  // namespace telinject::drain
