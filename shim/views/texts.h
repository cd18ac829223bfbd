// Views as text, for terminals, scripts and logs.
#pragma once

#include <cstdint>
#include <string>

#include "shim/drain/naming/span_filter.h"
#include "shim/views/span_log.h"
#include "shim/views/view_writer.h"

namespace telinject::views {

struct TextOptions {
  drain::Globs focus;           // only such names (graph, tree: and what they call); empty: all
  int64_t min_duration_ns = 0;  // tree: no shorter calls
  double min_share = 0.005;     // graph: no nodes with less of the whole time
  size_t count = 30;            // top, diff: so many rows at most; 0: all
  std::string by = "own";       // top: own, total, calls, p50, p99, max
  bool json = false;
};

// The columns that `by` may name.
bool is_order(std::string_view by);

// The functions, those that took most first.
void write_top(const SpanLog& log, const TextOptions& options, ViewWriter* out);
// The call tree of all threads, with sums.
void write_graph(const SpanLog& log, const TextOptions& options, ViewWriter* out);
// Every call in the order of time; repetitions are folded.
void write_tree(const SpanLog& log, const TextOptions& options, ViewWriter* out);

struct DiffResult {
  double slower = 0;  // own time of all functions that became slower, as a share of the old run
};
// What differs from the old run to the new one, the largest difference first.
DiffResult write_diff(const SpanLog& old_run, const SpanLog& new_run, const TextOptions& options,
                      ViewWriter* out);

}  // namespace telinject::views
