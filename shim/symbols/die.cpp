#include "shim/symbols/die.h"

#include <dwarf.h>

#include <algorithm>
#include <cstring>

#include "shim/symbols/abbreviations.h"
#include "shim/symbols/reading_budget.h"

namespace telinject {

namespace {

constexpr size_t kMaxText = 64 * 1024;
constexpr size_t kMaxChain = 16;

Dwarf_Attribute* attribute_of(Dwarf_Die* die, unsigned name, Dwarf_Attribute* out) {
  return dwarf_attr(die, name, out);
}

std::optional<Dwarf_Die> referred(Dwarf_Die die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Die target;
  if (attribute_of(&die, name, &attribute) == nullptr ||
      dwarf_formref_die(&attribute, &target) == nullptr) {
    return std::nullopt;
  }
  ReferenceWatch::follow(die, target);
  return target;
}

// End of the bytes that belong to the die's unit; null if they cannot be told.
const uint8_t* end_of_unit(Dwarf_Die die) {
  const uint8_t* address = static_cast<const uint8_t*>(die.addr);
  Dwarf* dwarf = dwarf_cu_getdwarf(die.cu);
  Dwarf_Off offset = dwarf_dieoffset(&die);
  Dwarf_Off in_unit = dwarf_cuoffset(&die);
  Dwarf_Off next = 0;
  size_t header = 0;
  if (dwarf == nullptr || offset < in_unit ||
      dwarf_next_unit(dwarf, offset - in_unit, &next, &header, nullptr, nullptr, nullptr, nullptr,
                      nullptr, nullptr) != 0 ||
      next <= offset) {
    return nullptr;
  }
  // A damaged length may reach beyond the section.
  Elf* elf = dwarf_getelf(dwarf);
  for (Elf_Scn* s = elf_nextscn(elf, nullptr); s != nullptr; s = elf_nextscn(elf, s)) {
    Elf_Data* data = elf_getdata(s, nullptr);
    if (data == nullptr || data->d_buf == nullptr) continue;
    const uint8_t* begin = static_cast<const uint8_t*>(data->d_buf);
    if (address >= begin && address < begin + data->d_size) {
      uint64_t left = static_cast<uint64_t>(begin + data->d_size - address);
      return address + std::min(left, next - offset);
    }
  }
  return nullptr;
}

}  // namespace

std::string_view die_text(Dwarf_Die die, unsigned attribute) {
  Dwarf_Attribute found;
  const char* text = dwarf_formstring(attribute_of(&die, attribute, &found));
  return text == nullptr ? std::string_view() : std::string_view(text, strnlen(text, kMaxText));
}

std::optional<uint64_t> die_number(Dwarf_Die die, unsigned attribute) {
  Dwarf_Attribute found;
  Dwarf_Word value;
  if (dwarf_formudata(attribute_of(&die, attribute, &found), &value) != 0) return std::nullopt;
  return value;
}

bool die_flag(Dwarf_Die die, unsigned attribute) {
  Dwarf_Attribute found;
  bool value = false;
  return dwarf_formflag(attribute_of(&die, attribute, &found), &value) == 0 && value;
}

bool die_has(Dwarf_Die die, unsigned attribute) {
  return dwarf_hasattr(&die, attribute) != 0;
}

std::vector<Dwarf_Die> origin_chain(Dwarf_Die die) {
  std::vector<Dwarf_Die> chain = {die};
  while (chain.size() < kMaxChain) {
    std::optional<Dwarf_Die> next = referred(chain.back(), DW_AT_abstract_origin);
    if (!next.has_value()) next = referred(chain.back(), DW_AT_specification);
    if (!next.has_value() || dwarf_tag(&*next) != DW_TAG_subprogram) break;
    chain.push_back(*next);
  }
  return chain;
}

Dwarf_Die abstract_instance(Dwarf_Die die) {
  for (size_t hops = 0; hops < kMaxChain; hops++) {
    std::optional<Dwarf_Die> next = referred(die, DW_AT_abstract_origin);
    if (!next.has_value()) break;
    die = *next;
  }
  return die;
}

std::optional<Dwarf_Die> unit_of(Dwarf_Die die) {
  Dwarf_Die unit;
  if (die.cu == nullptr ||
      dwarf_cu_info(die.cu, nullptr, nullptr, &unit, nullptr, nullptr, nullptr, nullptr) != 0) {
    return std::nullopt;
  }
  return unit;
}

void die_ranges(Dwarf_Die die, size_t* budget, std::vector<AddressRange>* out) {
  Dwarf_Addr base = 0, begin = 0, end = 0;
  ptrdiff_t offset = 0;
  while (*budget > 0 && (offset = dwarf_ranges(&die, offset, &base, &begin, &end)) > 0) {
    --*budget;
    ReadingBudget::spend();
    if (begin < end) out->push_back({begin, end});
  }
}

DieWalk::DieWalk(Dwarf_Die root) : root_(root) {}

bool DieWalk::first() {
  started_ = true;
  end_ = end_of_unit(root_);
  if (end_ == nullptr) damaged_ = true;
  int result = end_ == nullptr ? -1 : dwarf_child(&root_, &die_);
  if (result < 0) damaged_ = true;
  depth_ = 1;
  return result == 0 && arrive();
}

bool DieWalk::next() {
  ReadingBudget::spend();
  if (damaged_) return false;
  if (!started_) return first();
  Dwarf_Die target;
  if (!skip_) {
    int child = dwarf_child(&die_, &target);
    if (child < 0) damaged_ = true;
    if (child == 0) {
      die_ = target;
      depth_++;
      return arrive();
    }
  }
  skip_ = false;
  int sibling = dwarf_siblingof(&die_, &target);
  if (sibling < 0) damaged_ = true;
  if (sibling == 0) {
    die_ = target;
    return arrive();
  }
  return sibling == 1 && leave_lists(target.addr);
}

// `end_of_list` is the zero that ends a list of siblings. What follows belongs to the list above.
bool DieWalk::leave_lists(const void* end_of_list) {
  const uint8_t* at = static_cast<const uint8_t*>(end_of_list);
  while (at != nullptr && at < end_ && *at == 0) {
    at++;
    if (--depth_ == 0) return false;
  }
  if (at == nullptr || at >= end_) return false;
  Dwarf_CU* unit = die_.cu;
  die_ = {};
  die_.addr = const_cast<uint8_t*>(at);
  die_.cu = unit;
  return arrive();
}

bool DieWalk::arrive() {
  tag_ = dwarf_tag(&die_);
  if (tag_ == DW_TAG_invalid) damaged_ = true;
  return !damaged_;
}

}  // namespace telinject
