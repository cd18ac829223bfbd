#include "shim/symbols/unit_functions.h"

#include <dwarf.h>

#include <algorithm>

namespace telinject {

namespace {

// Range lists are counted, as entries of a damaged unit may all point at one long list. The largest
// real units have some 100,000.
constexpr size_t kMaxRanges = size_t{1} << 22;
constexpr size_t kMaxFunctions = size_t{1} << 21;
constexpr size_t kMaxInlinedCalls = size_t{1} << 21;
constexpr size_t kMaxOverlap = 64;
constexpr uint32_t kNone = ~uint32_t{0};
constexpr uint32_t kMaxInlineDepth = 4096;

// Entries below which functions with code can be. Members of classes are defined outside them, save
// those of classes that are local to a function.
bool may_hold_functions(int tag) {
  switch (tag) {
    case DW_TAG_subprogram:  // GNU C's nested functions, Fortran's and Ada's
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_lexical_block:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
      return true;
    default:
      return false;
  }
}

}  // namespace

UnitFunctions::UnitFunctions(Dwarf_Die body, const std::function<bool(uint64_t)>& is_code) {
  size_t budget = kMaxRanges;
  std::vector<AddressRange> ranges;
  DieWalk walk(body);
  while (walk.next() && functions_.size() < kMaxFunctions) {
    if (!may_hold_functions(walk.tag())) walk.skip_children();
    if (walk.tag() != DW_TAG_subprogram) continue;
    ranges.clear();
    die_ranges(walk.die(), &budget, &ranges);
    std::erase_if(ranges, [&](const AddressRange& range) { return !is_code(range.begin); });
    if (ranges.empty()) continue;
    uint32_t index = static_cast<uint32_t>(functions_.size());
    functions_.push_back({walk.die(), ranges.front().begin});
    for (const AddressRange& range : ranges) ranges_.push_back({range.begin, range.end, index});
  }
  damaged_ = walk.damaged() || budget == 0 || functions_.size() == kMaxFunctions;
  std::stable_sort(ranges_.begin(), ranges_.end(),
                   [](const Range& a, const Range& b) { return a.begin < b.begin; });
  uint64_t highest = 0;
  for (const Range& range : ranges_) {
    highest = std::max(highest, range.end);
    highest_end_.push_back(highest);
  }
}

const UnitFunctions::Function* UnitFunctions::at(uint64_t vaddr) const {
  auto after = std::upper_bound(ranges_.begin(), ranges_.end(), vaddr,
                                [](uint64_t value, const Range& r) { return value < r.begin; });
  const Range* best = nullptr;
  size_t tries = 0;
  for (size_t i = static_cast<size_t>(after - ranges_.begin()); i-- > 0 && tries < kMaxOverlap;) {
    if (highest_end_[i] <= vaddr) break;
    if (ranges_[i].end <= vaddr) continue;
    tries++;
    // If several are at one place (identical code folded by the linker), the first in the file.
    const Range& range = ranges_[i];
    if (best == nullptr || range.end - range.begin <= best->end - best->begin) best = &range;
  }
  return best == nullptr ? nullptr : &functions_[best->function];
}

std::optional<uint64_t> UnitFunctions::copy_of(const Dwarf_Die& abstract) const {
  if (!copies_known_) {
    copies_known_ = true;
    for (const Function& function : functions_) {
      copies_.emplace(abstract_instance(function.die).addr, function.entry);
    }
  }
  auto found = copies_.find(abstract.addr);
  if (found == copies_.end()) return std::nullopt;
  return found->second;
}

InlineTree::InlineTree(const Dwarf_Die& function) {
  size_t budget = kMaxRanges;
  std::vector<AddressRange> ranges;
  std::vector<uint32_t> parents = {kNone};  // by depth of the walk: the inlined call around it
  DieWalk walk(function);
  while (walk.next() && nodes_.size() < kMaxInlinedCalls) {
    size_t depth = walk.depth();
    parents.resize(std::min(parents.size(), depth));
    uint32_t parent = parents.back();
    bool inlined = walk.tag() == DW_TAG_inlined_subroutine;
    // Blocks are passed through without a look at their addresses: gcc does not always extend
    // those of a block to the calls inlined into it.
    if (!inlined && walk.tag() != DW_TAG_lexical_block && walk.tag() != DW_TAG_try_block &&
        walk.tag() != DW_TAG_catch_block) {
      walk.skip_children();
      continue;
    }
    parents.resize(depth, parent);
    if (!inlined) {
      parents.push_back(parent);
      continue;
    }
    uint32_t index = static_cast<uint32_t>(nodes_.size());
    uint32_t inline_depth = parent == kNone ? 1 : nodes_[parent].depth + 1;
    if (inline_depth > kMaxInlineDepth) {
      walk.skip_children();
      continue;
    }
    nodes_.push_back({walk.die(), parent, inline_depth});
    parents.push_back(index);
    ranges.clear();
    die_ranges(walk.die(), &budget, &ranges);
    for (const AddressRange& range : ranges) ranges_.push_back({range, index});
  }
  damaged_ = walk.damaged() || budget == 0;
}

std::vector<Dwarf_Die> InlineTree::at(uint64_t vaddr) const {
  // Ranges are in the order of nodes_, parents before children. A call counts only if the calls
  // around it hold the address as well: gcc leaves strays elsewhere.
  std::vector<bool> holds(nodes_.size());
  uint32_t best = kNone;
  for (const Range& range : ranges_) {
    if (!range.addresses.holds(vaddr)) continue;
    const Node& node = nodes_[range.node];
    if (node.parent != kNone && !holds[node.parent]) continue;
    holds[range.node] = true;
    if (best == kNone || node.depth >= nodes_[best].depth) best = range.node;
  }
  std::vector<Dwarf_Die> chain;
  for (uint32_t i = best; i != kNone; i = nodes_[i].parent) chain.push_back(nodes_[i].die);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

}  // namespace telinject
