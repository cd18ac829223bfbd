#include "shim/http/http_totals.h"

#include <algorithm>

namespace telinject {

void HttpTotals::add(std::string_view method, std::string_view url, int64_t duration_ns,
                     bool failed) {
  requests_++;
  if (failed) failed_++;
  std::string name;
  name.reserve(method.size() + url.size() + 1);
  name.append(method).append(" ").append(url);
  auto found = paths_.find(name);
  if (found == paths_.end()) {
    if (paths_.size() == kMaxPaths) return;
    found = paths_.emplace(name, Path{name}).first;
  }
  Path& path = found->second;
  path.requests++;
  if (failed) path.failed++;
  path.total_ns += duration_ns;
  path.longest_ns = std::max(path.longest_ns, duration_ns);
}

std::vector<HttpTotals::Path> HttpTotals::slowest(size_t count) const {
  std::vector<Path> all;
  for (const auto& [name, path] : paths_) all.push_back(path);
  std::sort(all.begin(), all.end(), [](const Path& a, const Path& b) {
    return a.longest_ns != b.longest_ns ? a.longest_ns > b.longest_ns : a.name < b.name;
  });
  if (all.size() > count) all.resize(count);
  return all;
}

}  // namespace telinject
