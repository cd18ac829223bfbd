// Callgrind's profile format: https://valgrind.org/docs/manual/cl-format.html
//
// Two events: own time, and time waiting for responses to HTTP requests. The cost of a call is that
// of all below it. Calls of a function by itself are calls as well, and readers find the cycles.
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shim/views/exports.h"
#include "shim/views/names.h"

namespace telinject::views {

namespace {

struct Cost {
  int64_t own_ns = 0, http_ns = 0;
  void add(const Cost& other) {
    drain::add_ns(&own_ns, other.own_ns);
    drain::add_ns(&http_ns, other.http_ns);
  }
};
struct Edge {
  uint64_t calls = 0;
  uint64_t line = 0;  // of the first call
  Cost cost;
};
struct Row {
  Cost cost;
  std::map<uint32_t, Edge> edges;  // by callee
};

std::vector<Row> rows_of(const SpanLog& log) {
  std::vector<Row> rows(log.functions.size());
  std::vector<Cost> below(log.tree.size());
  for (uint32_t i = log.tree.size(); i-- > 1;) {
    const TreeNode& node = log.tree[i];
    below[i].add({node.own_ns, node.http_ns});
    below[node.parent].add(below[i]);
    rows[node.function].cost.add({node.own_ns, node.http_ns});
    if (node.parent == CallTree::kRoot) continue;
    Edge& edge = rows[log.tree[node.parent].function].edges[node.function];
    edge.calls += node.calls;
    edge.cost.add(below[i]);
    if (node.site != kNone) edge.line = log.sites[node.site].caller_line;
  }
  return rows;
}

}  // namespace

void write_callgrind(const SpanLog& log, ViewWriter* out) {
  std::string& text = out->text();
  text += "# callgrind format\nversion: 1\ncreator: telinject\n";
  if (!log.processes.empty()) {
    absl::StrAppend(&text, "cmd: ", plain_name(log.processes[0].command_line), "\n");
  }
  text +=
      "positions: line\nevents: ns http_ns\nevent: ns : own time in nanoseconds\n"
      "event: http_ns : waiting for HTTP responses in nanoseconds\n\n";
  auto file = [&](uint32_t function) {
    const FunctionTotals& row = log.functions[function];
    return row.file.empty() ? "???" : plain_name(row.file);
  };
  auto name = [&](uint32_t function) {
    return absl::StrCat("(", function + 1, ") ", plain_name(log.functions[function].name));
  };
  std::vector<Row> rows = rows_of(log);
  for (uint32_t i = 0; i < rows.size(); i++) {
    const FunctionTotals& function = log.functions[i];
    if (function.calls == 0) continue;
    if (!function.module.empty()) absl::StrAppend(&text, "ob=", plain_name(function.module), "\n");
    absl::StrAppend(&text, "fl=", file(i), "\nfn=", name(i), "\n", function.line, " ",
                    rows[i].cost.own_ns, " ", rows[i].cost.http_ns, "\n");
    for (const auto& [callee, edge] : rows[i].edges) {
      const FunctionTotals& called = log.functions[callee];
      if (!called.module.empty()) absl::StrAppend(&text, "cob=", plain_name(called.module), "\n");
      absl::StrAppend(&text, "cfi=", file(callee), "\ncfn=", name(callee), "\ncalls=", edge.calls,
                      " ", called.line, "\n", edge.line, " ", edge.cost.own_ns, " ",
                      edge.cost.http_ns, "\n");
      out->row();
    }
    text += '\n';
    out->row();
  }
}

}  // namespace telinject::views
