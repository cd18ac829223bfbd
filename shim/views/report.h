// A report: one HTML file that shows the spans of a log, without a network or anything else.
#pragma once

#include <cstdint>
#include <string>

#include "shim/views/names.h"
#include "shim/views/span_log.h"
#include "shim/views/view_writer.h"

namespace telinject::views {

struct ReportOptions {
  // About so many bytes of the file may be single calls. With more, short calls are left out of the
  // timeline; sums and histograms count all calls in any case.
  uint64_t budget_bytes = 8000000;
};

// False if there was not enough memory to compress the data.
bool write_report(const SpanLog& log, const ReportOptions& options, ViewWriter* out);

}  // namespace telinject::views
