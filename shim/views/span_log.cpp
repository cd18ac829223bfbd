#include "shim/views/span_log.h"

#include <algorithm>

namespace telinject::views {

int64_t Track::duration_ns(uint32_t call) const {
  auto away = away_.find(call);
  return length_ns(call) - (away == away_.end() ? 0 : away->second);
}

CallRef Track::origin(uint32_t call) const {
  auto found = origins_.find(call);
  return found == origins_.end() ? CallRef{} : found->second;
}

uint32_t Track::add(int64_t start_ns, uint32_t site, uint32_t depth) {
  uint32_t call = size();
  start_.push_back(start_ns);
  length_.push_back(0);
  site_.push_back(site);
  depth_.push_back(depth);
  return call;
}

void Track::end(uint32_t call, int64_t length_ns, int64_t duration_ns) {
  length_ns = std::max<int64_t>(length_ns, 0);
  if (length_ns < kLong) {
    length_[call] = static_cast<uint32_t>(length_ns);
  } else {
    length_[call] = kLong;
    long_[call] = length_ns;
  }
  if (duration_ns != length_ns) {
    away_[call] = length_ns - duration_ns;
  } else if (!away_.empty()) {
    away_.erase(call);
  }
}

uint32_t CallTree::child(uint32_t parent, uint32_t function) {
  uint64_t key = uint64_t{parent} << 32 | function;
  auto [found, is_new] = children_.try_emplace(key, size());
  if (is_new) {
    TreeNode node;
    node.parent = parent;
    node.function = function;
    nodes_.push_back(node);
  }
  return found->second;
}

CallTree::Order CallTree::ordered() const {
  Order order;
  order.children.resize(nodes_.size());
  order.inclusive_ns.resize(nodes_.size());
  // A node comes behind its parent.
  for (size_t i = nodes_.size(); i-- > 1;) {
    int64_t& sum = order.inclusive_ns[i];
    drain::add_ns(&sum, nodes_[i].own_ns);
    drain::add_ns(&sum, nodes_[i].http_ns);
    drain::add_ns(&order.inclusive_ns[nodes_[i].parent], sum);
    order.children[nodes_[i].parent].push_back(static_cast<uint32_t>(i));
  }
  for (std::vector<uint32_t>& children : order.children) {
    std::sort(children.begin(), children.end(), [&](uint32_t a, uint32_t b) {
      int64_t of_a = order.inclusive_ns[a], of_b = order.inclusive_ns[b];
      return of_a != of_b ? of_a > of_b : a < b;
    });
  }
  return order;
}

}  // namespace telinject::views
