// Folded stacks: "main;work;sqrt 1234", own time in nanoseconds.
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shim/views/exports.h"
#include "shim/views/names.h"

namespace telinject::views {

void write_folded(const SpanLog& log, ViewWriter* out) {
  std::vector<std::string> names;
  for (const FunctionTotals& each : log.functions) {
    names.push_back(plain_name(each.name));
    std::replace(names.back().begin(), names.back().end(), ';', ':');
  }
  std::vector<uint32_t> path;
  for (uint32_t i = 1; i < log.tree.size(); i++) {
    const TreeNode& node = log.tree[i];
    if (node.own_ns == 0 && node.http_ns == 0) continue;
    path.clear();
    for (uint32_t up = i; up != CallTree::kRoot; up = log.tree[up].parent) path.push_back(up);
    auto append_path = [&] {
      for (size_t at = path.size(); at-- > 0;) {
        absl::StrAppend(&out->text(), names[log.tree[path[at]].function], at == 0 ? "" : ";");
      }
    };
    if (node.own_ns > 0) {
      append_path();
      absl::StrAppend(&out->text(), " ", node.own_ns, "\n");
    }
    if (node.http_ns > 0) {
      append_path();
      absl::StrAppend(&out->text(), ";", kHttpWait, " ", node.http_ns, "\n");
    }
    out->row();
  }
}

}  // namespace telinject::views
