// Reads debugging information entries (DIEs) at a bounded cost, even if they are damaged:
// references are followed a bounded number of times, strings are cut, lists are counted, and a walk
// visits each entry of a unit once.
#pragma once

#include <elfutils/libdw.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace telinject {

struct AddressRange {
  uint64_t begin, end;  // end is not part of it

  bool holds(uint64_t vaddr) const { return vaddr >= begin && vaddr < end; }
};

// Attributes of the entry itself; references are not followed.
std::string_view die_text(Dwarf_Die die, unsigned attribute);  // empty if absent
std::optional<uint64_t> die_number(Dwarf_Die die, unsigned attribute);
bool die_flag(Dwarf_Die die, unsigned attribute);
bool die_has(Dwarf_Die die, unsigned attribute);

// The entry and the entries that it refers to for the same function: out-of-line or inlined copy ->
// abstract instance -> declaration in the class. Most specific first, never empty.
std::vector<Dwarf_Die> origin_chain(Dwarf_Die die);

// The entry that the out-of-line and inlined copies of one function share: its abstract instance,
// else the entry itself. (A declaration is shared by more: by C1 and C2 of a constructor in clang.)
Dwarf_Die abstract_instance(Dwarf_Die die);

// The entry of the unit that holds `die`; nullopt if its header is damaged.
std::optional<Dwarf_Die> unit_of(Dwarf_Die die);

// Appends the code addresses of an entry, from low/high_pc or a range list. Subtracts what it read
// from *budget and stops when that is used up.
void die_ranges(Dwarf_Die die, size_t* budget, std::vector<AddressRange>* out);

// All entries below one, in the order of the file:
//
//   for (DieWalk walk(root); walk.next();) { ... walk.die() ... walk.skip_children(); }
//
// Linear in the size of the unit. libdw's own way down, dwarf_child() and dwarf_siblingof() of each
// parent, reads a subtree again at every level.
class DieWalk {
 public:
  explicit DieWalk(Dwarf_Die root);
  bool next();
  // Skips the children of the present entry.
  void skip_children() { skip_ = true; }

  const Dwarf_Die& die() const { return die_; }
  int tag() const { return tag_; }
  size_t depth() const { return depth_; }  // 1: a child of the root
  bool damaged() const { return damaged_; }

 private:
  bool first();
  bool arrive();  // at die_
  bool leave_lists(const void* end_of_list);

  Dwarf_Die root_;
  Dwarf_Die die_ = {};
  const uint8_t* end_ = nullptr;  // of the unit
  int tag_ = 0;
  size_t depth_ = 0;
  bool started_ = false;
  bool skip_ = false;
  bool damaged_ = false;
};

}  // namespace telinject
