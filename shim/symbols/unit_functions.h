// The functions of one compilation unit, and what is inlined into one of them.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <elfutils/libdw.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "shim/symbols/die.h"

namespace telinject {

// Entries of the functions that have code, by address.
class UnitFunctions {
 public:
  // `body`: the unit's entry; of a split unit, that in its .dwo file.
  UnitFunctions(Dwarf_Die body, const std::function<bool(uint64_t)>& is_code);

  struct Function {
    Dwarf_Die die;
    uint64_t entry;  // first address; a split-off cold part lies elsewhere
  };
  // The function whose code holds the address; the smallest, if there are several.
  const Function* at(uint64_t vaddr) const;

  // Where the out-of-line copy of an inlined function starts, if the unit has one.
  std::optional<uint64_t> copy_of(const Dwarf_Die& abstract_instance) const;

  size_t size() const { return ranges_.size(); }
  bool damaged() const { return damaged_; }

 private:
  struct Range {
    uint64_t begin, end;
    uint32_t function;
  };
  std::vector<Function> functions_;
  std::vector<Range> ranges_;                                  // by address
  std::vector<uint64_t> highest_end_;                          // of ranges_[0..i]
  mutable absl::flat_hash_map<const void*, uint64_t> copies_;  // filled when first asked for
  mutable bool copies_known_ = false;
  bool damaged_ = false;
};

// Calls that were inlined into one function, as a tree.
class InlineTree {
 public:
  explicit InlineTree(const Dwarf_Die& function);

  // Entries (DW_TAG_inlined_subroutine) around the address, outermost first.
  std::vector<Dwarf_Die> at(uint64_t vaddr) const;

  size_t size() const { return nodes_.size() + ranges_.size(); }
  bool damaged() const { return damaged_; }

 private:
  struct Node {
    Dwarf_Die die;
    uint32_t parent;  // kNone: the function itself
    uint32_t depth;
  };
  struct Range {
    AddressRange addresses;
    uint32_t node;
  };
  std::vector<Node> nodes_;
  std::vector<Range> ranges_;
  bool damaged_ = false;
};

}  // namespace telinject
