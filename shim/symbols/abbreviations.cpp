#include "shim/symbols/abbreviations.h"

#include <dwarf.h>

#include <algorithm>
#include <utility>

#include "shim/symbols/byte_reader.h"
#include "shim/symbols/reading_budget.h"

namespace telinject {

uint64_t Abbreviations::count_up_to(uint64_t offset, uint64_t code) const {
  if (offset >= section_.size()) return 0;
  ByteReader reader(section_.subspan(offset));
  uint64_t count = 0;
  while (reader.ok()) {
    ReadingBudget::spend();
    uint64_t own = reader.uleb();
    if (own == 0) break;
    count++;
    if (own == code) break;
    reader.uleb();  // tag
    reader.u8();    // has children
    for (bool more = true; more && reader.ok();) {
      uint64_t attribute = reader.uleb(), form = reader.uleb();
      if (form == DW_FORM_implicit_const) reader.sleb();
      more = attribute != 0 || form != 0;
    }
  }
  return count;
}

uint64_t Abbreviations::count(uint64_t offset) {
  auto [found, added] = counts_.try_emplace(offset, 0);
  if (added) found->second = count_up_to(offset, 0);
  return found->second;
}

uint64_t Abbreviations::count_of_headers(std::span<const uint8_t> info, uint64_t* largest) {
  constexpr uint32_t kWide = 0xffffffff;
  constexpr uint64_t kEnough = uint64_t{1} << 32;
  uint64_t count = 0;
  *largest = 0;
  ByteReader reader(info);
  while (reader.ok() && reader.left() > 0 && count < kEnough) {
    ReadingBudget::spend();
    uint64_t bytes = reader.u32();
    bool wide = bytes == kWide;
    if (wide) bytes = reader.u64();
    ByteReader unit(reader.part(bytes));
    uint16_t version = unit.u16();
    uint8_t type = version >= 5 ? unit.u8() : uint8_t{DW_UT_compile};
    if (version >= 5) unit.u8();  // size of an address
    uint64_t table = unit.offset(wide);
    if (version < 5) unit.u8();
    if (type == DW_UT_split_compile || type == DW_UT_skeleton) unit.u64();
    if (type == DW_UT_split_type || type == DW_UT_type) unit.skip(wide ? 16 : 12);
    uint64_t code = unit.uleb();
    if (unit.ok() && code != 0) count += count_up_to(table, code);
    *largest = std::max(*largest, this->count(table));
  }
  return count;
}

namespace {
thread_local ReferenceWatch* t_watch = nullptr;
}  // namespace

ReferenceWatch::Scope::Scope(ReferenceWatch* watch) : outer_(std::exchange(t_watch, watch)) {}

ReferenceWatch::Scope::~Scope() {
  t_watch = outer_;
}

void ReferenceWatch::follow(const Dwarf_Die& from, const Dwarf_Die& to) {
  if (t_watch != nullptr && from.cu != to.cu) t_watch->reached(to);
}

}  // namespace telinject
