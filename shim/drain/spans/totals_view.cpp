#include "shim/drain/spans/totals_view.h"

#include <algorithm>
#include <string>

namespace telinject::drain {

bool TotalsView::empty() const {
  const auto& functions = sites_->totals();
  return requests_->empty() && events_->losses().total() == 0 &&
         events_->errors().processes().empty() &&
         std::none_of(functions.begin(), functions.end(),
                      [](const FunctionTotals& function) { return function.calls > 0; });
}

uint64_t TotalsView::sample_rate() const {
  const SummaryFacts& facts = events_->facts();
  return facts.exact_totals ? kRateOne : facts.sample_rate;
}

void TotalsView::read(TotalsReader* reader) const {
  read_functions(reader);
  requests_->read(reader);
  for (const auto& [type, count] : events_->errors().exceptions()) {
    reader->errors("exception", type, count);
  }
  for (const auto& [type, count] : events_->errors().processes()) {
    reader->errors("process", type, count);
  }
  read_losses(reader);
  reader->left_out_spans(events_->left_out_spans());
}

void TotalsView::read_functions(TotalsReader* reader) const {
  for (const FunctionTotals& function : sites_->totals()) {
    if (function.calls == 0) continue;
    FunctionCounts counts;
    counts.name = function.name;
    counts.module = function.module;
    counts.file = function.file;
    counts.calls = function.calls;
    counts.self_ns = function.self_ns;
    counts.total_ns = function.total_ns;
    counts.min_ns = function.min_ns;
    counts.max_ns = function.max_ns;
    counts.durations = &function.durations;
    counts.errors = &function.errors;
    reader->function(counts);
  }
}

void TotalsView::read_losses(TotalsReader* reader) const {
  for (size_t i = 0; i < kLossReasons; i++) {
    auto reason = static_cast<LossReason>(i);
    uint64_t count = events_->losses().count(reason);
    if (count > 0 && count != Losses::kUnknown) {
      reader->lost_calls(loss_reason_name(reason), count);
    }
  }
  for (size_t i = 1; i < kFilterReasons; i++) {
    uint64_t count = events_->facts().filtered[i];
    if (count == 0) continue;
    std::string name(filter_name(static_cast<FilteredBy>(i)).substr(2));
    std::replace(name.begin(), name.end(), '-', '_');
    reader->filtered_calls(name, count);
  }
}

}  // namespace telinject::drain
