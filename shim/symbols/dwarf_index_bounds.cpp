// How many abbreviations libdw reads for what it is asked. It keeps them all, so they are counted
// before it is asked, and bounded.
#include <dwarf.h>

#include <algorithm>

#include "shim/symbols/byte_reader.h"
#include "shim/symbols/dwarf_index.h"
#include "shim/symbols/reading_budget.h"
#include "shim/symbols/split_file.h"

namespace telinject {

void DwarfIndex::read_abbreviations(uint64_t count) {
  abbreviations_read_ += count;
  if (abbreviations_read_ > kMaxAbbreviations) throw TooMuchToRead();
}

// libdw reads all of a unit's abbreviations, in the worst case, for one entry of it.
void DwarfIndex::reached(Dwarf_Die die) {
  if (!units_reached_.insert(die.cu).second) return;
  Dwarf* dwarf = dwarf_cu_getdwarf(die.cu);
  Dwarf_Off offset = dwarf_dieoffset(&die) - dwarf_cuoffset(&die), next = 0, abbreviations = 0;
  size_t header_bytes = 0;
  if (dwarf_next_unit(dwarf, offset, &next, &header_bytes, nullptr, &abbreviations, nullptr,
                      nullptr, nullptr, nullptr) == 0) {
    read_abbreviations(tables_of(dwarf)->count(abbreviations));
  }
}

Abbreviations* DwarfIndex::tables_of(Dwarf* dwarf) {
  if (dwarf == dwarf_) return &*abbreviations_;
  auto [found, added] = other_abbreviations_.try_emplace(dwarf, std::span<const uint8_t>());
  if (!added) return &found->second;
  if (dwarf == alternate_dwarf_) {
    found->second = Abbreviations(alternate_->section(".debug_abbrev"));
  } else {
    found->second = Abbreviations(section_of_split_file(dwarf_getelf(dwarf), ".debug_abbrev.dwo"));
  }
  return &found->second;
}

// False behind the last one, or if it is damaged.
bool DwarfIndex::next_header(uint64_t offset, Header* header) {
  Dwarf_Off next = 0, abbreviations = 0;
  size_t header_bytes = 0;
  Dwarf_Half version = 0;
  if (dwarf_next_unit(dwarf_, offset, &next, &header_bytes, &version, &abbreviations, nullptr,
                      nullptr, nullptr, nullptr) != 0) {
    return false;
  }
  ReadingBudget::spend();
  *header = {{offset, abbreviations}, next, 0};
  if (offset < headers_read_until_) return true;
  std::span<const uint8_t> info = file_->section(".debug_info");
  uint64_t entry = offset + header_bytes;
  uint64_t code = entry < info.size() ? ByteReader(info.subspan(entry)).uleb() : 0;
  if (code != 0) header->cost = abbreviations_->count_up_to(abbreviations, code);
  return true;
}

// Counts what libdw reads when it is asked for the unit; before that.
void DwarfIndex::pass_header(const Header& header) {
  headers_read_until_ = std::max(headers_read_until_, header.next);
  header_abbreviations_ += header.cost;
  read_abbreviations(header.cost);
}

}  // namespace telinject
