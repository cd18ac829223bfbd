#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_format.h"
#include "shim/drain/base/figures.h"
#include "shim/views/names.h"
#include "shim/views/texts.h"

namespace telinject::views {

namespace {

using drain::duration_text;
using drain::grouped;

class Writer {
 public:
  Writer(const SpanLog& log, const TextOptions& options, ViewWriter* out)
      : log_(log), options_(options), out_(out), order_(log.tree.ordered()) {}

  void write() {
    if (!options_.json) {
      absl::StrAppendFormat(&out_->text(), "%10s %6s %10s %12s  %s\n", "total", "%", "own", "calls",
                            "function");
    }
    std::vector<uint32_t> roots = order_.children[CallTree::kRoot];
    if (!options_.focus.empty()) roots = focused();
    write_children(roots, 0);
  }

 private:
  // The outermost nodes with such names.
  std::vector<uint32_t> focused() const {
    std::vector<uint32_t> found;
    std::vector<bool> below(log_.tree.size());
    for (uint32_t i = 1; i < log_.tree.size(); i++) {
      const TreeNode& node = log_.tree[i];
      bool fits = options_.focus.match(log_.functions[node.function].name);
      if (fits && !below[node.parent]) found.push_back(i);
      below[i] = below[node.parent] || fits;
    }
    std::stable_sort(found.begin(), found.end(), [&](uint32_t a, uint32_t b) {
      return order_.inclusive_ns[a] > order_.inclusive_ns[b];
    });
    return found;
  }
  double share(int64_t ns) const {
    int64_t whole = order_.inclusive_ns[CallTree::kRoot];
    return whole > 0 ? static_cast<double>(ns) / static_cast<double>(whole) : 0;
  }

  // Without recursion: a stack may be deep.
  void write_children(const std::vector<uint32_t>& roots, size_t depth) {
    struct Level {
      const std::vector<uint32_t>* nodes;
      size_t next = 0;
      int64_t rest_ns = 0;
      size_t rest = 0;
    };
    std::vector<Level> levels = {{&roots}};
    while (!levels.empty()) {
      Level& level = levels.back();
      size_t indent = depth + levels.size() - 1;
      if (level.next == level.nodes->size()) {
        if (level.rest > 0) write_rest(level.rest, level.rest_ns, indent);
        levels.pop_back();
        continue;
      }
      uint32_t node = (*level.nodes)[level.next++];
      int64_t ns = order_.inclusive_ns[node];
      if (share(ns) < options_.min_share) {
        level.rest++;
        drain::add_ns(&level.rest_ns, ns);
        continue;
      }
      write_node(node, indent);
      levels.push_back({&order_.children[node]});
    }
  }
  void write_rest(size_t count, int64_t ns, size_t indent) {
    if (options_.json || ns == 0) return;
    absl::StrAppendFormat(&out_->text(), "%10s %6.1f %10s %12s  %*s... %s more\n", text(ns),
                          100 * share(ns), "", "",
                          static_cast<int>(2 * std::min(indent, kMostIndent)), "", grouped(count));
    out_->row();
  }
  void write_node(uint32_t number, size_t indent) {
    const TreeNode& node = log_.tree[number];
    const FunctionTotals& function = log_.functions[node.function];
    int64_t ns = order_.inclusive_ns[number];
    if (options_.json) return write_json(node, function, ns, indent);
    absl::StrAppendFormat(&out_->text(), "%10s %6.1f %10s %12s  %*s%s\n", text(ns), 100 * share(ns),
                          text(node.own_ns), grouped(node.calls),
                          static_cast<int>(2 * std::min(indent, kMostIndent)), "",
                          short_name(function.name));
    out_->row();
  }
  void write_json(const TreeNode& node, const FunctionTotals& function, int64_t ns, size_t depth) {
    using nlohmann::json;
    json line = {{"depth", depth},           {"function", function.name},
                 {"calls", node.calls},      {"inclusive_ns", ns},
                 {"own_ns", node.own_ns},    {"http_wait_ns", node.http_ns},
                 {"longest_ns", node.max_ns}};
    out_->text() += json_text(line) + "\n";
    out_->row();
  }
  static std::string text(int64_t ns) { return duration_text(static_cast<double>(ns)); }

  static constexpr size_t kMostIndent = 60;
  const SpanLog& log_;
  const TextOptions& options_;
  ViewWriter* out_;
  CallTree::Order order_;
};

}  // namespace

void write_graph(const SpanLog& log, const TextOptions& options, ViewWriter* out) {
  Writer(log, options, out).write();
}

}  // namespace telinject::views
