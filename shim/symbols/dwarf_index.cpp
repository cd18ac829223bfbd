#include "shim/symbols/dwarf_index.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <new>

#include "shim/symbols/debug_files.h"
#include "shim/symbols/file_access.h"
#include "shim/symbols/hex.h"
#include "shim/symbols/reading_budget.h"
#include "shim/symbols/split_file.h"
#include "shim/symbols/unpacked_file.h"

namespace telinject {

namespace {

constexpr size_t kMaxUnitsRead = 4096;
constexpr size_t kUnitsUntilForgotten = 32;
constexpr size_t kMaxUnits = size_t{1} << 19;
constexpr size_t kMaxUnitsAtAddress = 10000;
constexpr size_t kMaxHeaders = size_t{1} << 20;
constexpr size_t kMaxUnitRanges = size_t{1} << 24;

__attribute__((noreturn)) void out_of_memory() {
  throw std::bad_alloc();
}

// libdw takes text from these sections up to its zero, wherever that is.
bool strings_end(const ElfFile& file) {
  for (const char* name : {".debug_str", ".debug_line_str"}) {
    std::span<const uint8_t> bytes = file.section(name);
    if (!bytes.empty() && bytes.back() != 0) return false;
  }
  return true;
}

Dwarf* begin_dwarf(const ElfFile& file) {
  Dwarf* dwarf = dwarf_begin_elf(file.handle(), DWARF_C_READ, nullptr);
  // By default libdw ends the process.
  if (dwarf != nullptr) dwarf_new_oom_handler(dwarf, out_of_memory);
  return dwarf;
}

// libdw would unpack all that is compressed. Null if that cannot be done here.
std::shared_ptr<ElfFile> unpacked(std::shared_ptr<ElfFile> file, std::string* problem) {
  if (!is_compressed(*file)) return file;
  return unpack_debug_info(*file, problem);
}

}  // namespace

std::unique_ptr<DwarfIndex> DwarfIndex::open(std::shared_ptr<ElfFile> file,
                                             std::shared_ptr<ElfFile> program,
                                             const std::string& root, std::string* problem) {
  if (!file->has_section(".debug_info")) return nullptr;
  std::unique_ptr<DwarfIndex> index(new DwarfIndex);
  index->file_ = unpacked(std::move(file), problem);
  if (index->file_ == nullptr) return nullptr;
  index->abbreviations_.emplace(index->file_->section(".debug_abbrev"));
  index->program_ = std::move(program);
  index->is_code_ = [elf = index->program_.get()](uint64_t vaddr) { return elf->is_code(vaddr); };
  if (!index->begin(problem) || !index->attach_alternate(root, problem)) return nullptr;
  if (problem->empty()) *problem = index->missing_split_unit();
  return index;
}

DwarfIndex::~DwarfIndex() {
  if (dwarf_ != nullptr) dwarf_end(dwarf_);
  if (alternate_dwarf_ != nullptr) dwarf_end(alternate_dwarf_);
}

bool DwarfIndex::begin(std::string* problem) {
  const std::string& path = file_->image().path();
  dwarf_ = begin_dwarf(*file_);
  const char* damage = dwarf_ == nullptr      ? dwarf_errmsg(-1)
                       : !strings_end(*file_) ? "text without an end"
                                              : nullptr;
  if (damage != nullptr) {
    *problem = path + ": its debug information is damaged (" + damage +
               "): names come from the symbol table; build the file again";
    return false;
  }
  return true;
}

// Without the file that it shares text with, half the names would be missing: better use none.
bool DwarfIndex::attach_alternate(const std::string& root, std::string* problem) {
  const char* name = nullptr;
  const void* id = nullptr;
  ssize_t id_bytes = dwelf_dwarf_gnu_debugaltlink(dwarf_, &name, &id);
  if (id_bytes <= 0 || name == nullptr) return true;
  alternate_ = find_alternate_file(
      *file_, name, std::string(static_cast<const char*>(id), static_cast<size_t>(id_bytes)), root,
      problem);
  if (alternate_ == nullptr) return false;
  alternate_ = unpacked(std::move(alternate_), problem);
  if (alternate_ == nullptr) return false;
  alternate_dwarf_ = begin_dwarf(*alternate_);
  if (alternate_dwarf_ == nullptr || !strings_end(*alternate_)) {
    *problem = alternate_->image().path() +
               ": its debug information is damaged: names come from the symbol table; install it "
               "again";
    return false;
  }
  uint64_t largest = 0;
  header_abbreviations_ +=
      tables_of(alternate_dwarf_)->count_of_headers(alternate_->section(".debug_info"), &largest);
  read_abbreviations(header_abbreviations_);
  dwarf_setalt(dwarf_, alternate_dwarf_);
  // That one shares nothing with a third: libdw would look for it by itself.
  dwarf_setalt(alternate_dwarf_, alternate_dwarf_);
  return true;
}

bool DwarfIndex::begin_question() {
  uint64_t below_headers = abbreviations_read_ - header_abbreviations_;
  if (units_read_ < kMaxUnitsRead && below_headers < kManyAbbreviations) return false;
  functions_.clear();
  inlined_.clear();
  lines_.clear();
  skeletons_.clear();
  sections_.clear();
  split_counted_.clear();
  units_reached_.clear();
  other_abbreviations_.clear();
  units_read_ = 0;
  abbreviations_read_ = header_abbreviations_;
  dwarf_end(dwarf_);
  dwarf_ = begin_dwarf(*file_);
  if (dwarf_ != nullptr && alternate_dwarf_ != nullptr) dwarf_setalt(dwarf_, alternate_dwarf_);
  return true;
}

bool DwarfIndex::is_alternate(const Dwarf_Die& die) const {
  return alternate_dwarf_ != nullptr && dwarf_cu_getdwarf(die.cu) == alternate_dwarf_;
}

void DwarfIndex::note_damage(const char* what, uint64_t offset) {
  if (!problem_.empty()) return;
  problem_ = file_->image().path() + ": its debug information is damaged (" + what +
             " of the unit at " + hex_number(offset) +
             " of .debug_info): some names or lines may be missing; build it again";
}

void DwarfIndex::index_units() {
  indexed_ = true;
  // A list of ranges belongs to one unit. More ranges than there are bytes for are a sign of
  // damage.
  size_t budget = std::min(
      (file_->section(".debug_ranges").size() + file_->section(".debug_rnglists").size()) / 2 +
          kMaxUnits,
      kMaxUnitRanges);
  std::vector<AddressRange> ranges;
  Header header;
  uint64_t offset = 0;
  size_t headers = 0;
  while (units_.size() < kMaxUnits && headers++ < kMaxHeaders && next_header(offset, &header)) {
    pass_header(header);
    std::optional<Dwarf_Die> unit = unit_at_offset(offset);
    int tag = unit.has_value() ? dwarf_tag(&*unit) : DW_TAG_invalid;
    if (tag == DW_TAG_invalid) note_damage("the header", offset);
    if (tag == DW_TAG_compile_unit || tag == DW_TAG_skeleton_unit) {
      uint32_t number = static_cast<uint32_t>(units_.size());
      units_.push_back(header.unit);
      ranges.clear();
      die_ranges(*unit, &budget, &ranges);
      for (const AddressRange& range : ranges) {
        if (is_code_(range.begin)) unit_ranges_.push_back({range.begin, range.end, number});
      }
    }
    if (header.next <= offset) break;
    offset = header.next;
  }
  std::stable_sort(unit_ranges_.begin(), unit_ranges_.end(),
                   [](const UnitRange& a, const UnitRange& b) { return a.begin < b.begin; });
  unit_ranges_.shrink_to_fit();
  highest_end_.reserve(unit_ranges_.size());
  uint64_t highest = 0;
  for (const UnitRange& range : unit_ranges_) {
    highest = std::max(highest, range.end);
    highest_end_.push_back(highest);
  }
}

// Several units may claim an address: of functions that are in more than one object file (inline
// functions, templates) the linker keeps the code of the first, but often moves the entries of the
// others to it as well. So the first in the file is the one that describes the code.
std::vector<DwarfIndex::Unit> DwarfIndex::units_at(uint64_t vaddr) {
  if (!indexed_) index_units();
  std::vector<uint32_t> numbers;
  auto after = std::upper_bound(unit_ranges_.begin(), unit_ranges_.end(), vaddr,
                                [](uint64_t value, const UnitRange& r) { return value < r.begin; });
  size_t tries = 0;
  for (size_t i = static_cast<size_t>(after - unit_ranges_.begin());
       i-- > 0 && tries < kMaxUnitsAtAddress;) {
    if (highest_end_[i] <= vaddr) break;
    if (unit_ranges_[i].end <= vaddr) continue;
    numbers.push_back(unit_ranges_[i].unit);
    tries++;
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::vector<Unit> units;
  units.reserve(numbers.size());
  for (uint32_t number : numbers) units.push_back(units_[number]);
  return units;
}

// The entry of the unit whose header is at that offset. libdw reads all headers before it, once.
std::optional<Dwarf_Die> DwarfIndex::unit_at_offset(uint64_t offset) {
  Dwarf_Die inside;
  if (dwarf_ == nullptr || dwarf_offdie(dwarf_, offset, &inside) == nullptr) return std::nullopt;
  return unit_of(inside);
}

// Where a unit's functions are: in the unit itself, or in the .dwo file that a skeleton stands for.
Dwarf_Die DwarfIndex::body_of(Dwarf_Die unit) {
  Dwarf_Die split = {};
  std::string path = split_file_of(unit);
  if (path.empty()) return unit;
  std::optional<uint64_t> abbreviations = abbreviations_of_split_file(path);
  if (!abbreviations.has_value()) return unit;
  if (split_counted_.insert(unit.addr).second) read_abbreviations(*abbreviations);
  // It may have been replaced since.
  FileAccess::LibraryOpening opening;
  if (!opening.allowed()) return unit;
  if (dwarf_cu_info(unit.cu, nullptr, nullptr, nullptr, &split, nullptr, nullptr, nullptr) != 0 ||
      split.addr == nullptr || dwarf_tag(&split) != DW_TAG_compile_unit) {
    return unit;
  }
  skeletons_[split.cu] = unit;
  Dwarf* dwarf = dwarf_cu_getdwarf(split.cu);
  dwarf_setalt(dwarf, dwarf);  // as of the alternate file
  return split;
}

// Without them parameters and declarations would be missing without a word. Where the .dwo file of
// one of the first units is missing, so are those of the others, as a rule.
std::string DwarfIndex::missing_split_unit() {
  constexpr size_t kMostLookedAt = 64;
  const std::string& path = file_->image().path();
  Header header;
  uint64_t offset = 0;
  for (size_t i = 0; i < kMostLookedAt && next_header(offset, &header); i++) {
    if (abbreviations_read_ + header.cost > kManyAbbreviations) break;
    pass_header(header);
    std::optional<Dwarf_Die> unit = unit_at_offset(offset);
    if (!unit.has_value() || header.next <= offset) break;
    offset = header.next;
    std::string_view name = die_text(*unit, DW_AT_dwo_name);
    if (name.empty()) name = die_text(*unit, DW_AT_GNU_dwo_name);
    if (name.empty() || body_of(*unit).addr != unit->addr) continue;
    FileAccess::LibraryOpening opening;
    struct stat status = {};
    bool packed = opening.allowed() && stat((path + ".dwp").c_str(), &status) == 0;
    return path + ": its debug information is split off into .dwo files, and " + std::string(name) +
           " is not there" + (packed ? " (a .dwp file is, which cannot be read)" : "") +
           ": parameters and files of functions are missing; keep the .dwo files where they were "
           "made, or build without -gsplit-dwarf";
  }
  return "";
}

std::shared_ptr<UnitFunctions> DwarfIndex::functions_of(const Unit& which) {
  uint64_t unit_offset = which.offset;
  auto make = [&] {
    read_abbreviations(abbreviations_->count(which.abbreviations));
    // What was read of units stays mapped, and would count as ours until memory is short.
    if (++units_read_ % kUnitsUntilForgotten == 0) {
      std::span<const uint8_t> info = file_->section(".debug_info");
      file_->image().forget(info.data(), info.size());
    }
    std::optional<Dwarf_Die> unit = unit_at_offset(unit_offset);
    auto functions =
        std::make_shared<UnitFunctions>(unit.has_value() ? body_of(*unit) : Dwarf_Die{}, is_code_);
    if (functions->damaged()) note_damage("functions", unit_offset);
    return functions;
  };
  return functions_.get(unit_offset, make,
                        [](const UnitFunctions& functions) { return functions.size() + 1; });
}

std::optional<DwarfIndex::Found> DwarfIndex::function_at(uint64_t vaddr) {
  for (const Unit& which : units_at(vaddr)) {
    std::shared_ptr<UnitFunctions> unit = functions_of(which);
    if (const UnitFunctions::Function* function = unit->at(vaddr)) return Found{unit, function};
  }
  return std::nullopt;
}

std::vector<Dwarf_Die> DwarfIndex::inlined_at(const Found& found, uint64_t vaddr) {
  auto make = [&] {
    auto tree = std::make_shared<InlineTree>(found.function->die);
    Dwarf_Die die = found.function->die;
    if (tree->damaged()) note_damage("inlined calls", dwarf_dieoffset(&die) - dwarf_cuoffset(&die));
    return tree;
  };
  return inlined_
      .get(found.function->die.addr, make, [](const InlineTree& tree) { return tree.size() + 1; })
      ->at(vaddr);
}

LineSections DwarfIndex::sections_of(Dwarf* dwarf) {
  auto [found, added] = sections_.try_emplace(dwarf);
  if (!added) return found->second;
  LineSections& sections = found->second;
  if (dwarf == dwarf_ || dwarf == alternate_dwarf_) {
    const ElfFile& file = dwarf == dwarf_ ? *file_ : *alternate_;
    sections = {file.section(".debug_line"), file.section(".debug_line_str"),
                file.section(".debug_str")};
    return sections;
  }
  Elf* elf = dwarf_getelf(dwarf);
  sections = {section_of_split_file(elf, ".debug_line.dwo"),
              section_of_split_file(elf, ".debug_line_str.dwo"),
              section_of_split_file(elf, ".debug_str.dwo")};
  return sections;
}

// The line table (and with it the list of files) of a unit. A unit of a .dwo file has a list of its
// own at the beginning of .debug_line.dwo, or uses its skeleton's; its lines are the skeleton's.
std::shared_ptr<LineTable> DwarfIndex::lines_of(Dwarf_Die unit) {
  std::optional<uint64_t> offset = die_number(unit, DW_AT_stmt_list);
  std::string_view directory = die_text(unit, DW_AT_comp_dir);
  if (auto skeleton = skeletons_.find(unit.cu); skeleton != skeletons_.end()) {
    directory = die_text(skeleton->second, DW_AT_comp_dir);
    if (!offset.has_value() && sections_of(dwarf_cu_getdwarf(unit.cu)).line.empty()) {
      return lines_of(skeleton->second);
    }
    offset = offset.value_or(0);
  }
  Dwarf* dwarf = dwarf_cu_getdwarf(unit.cu);
  uint64_t at = offset.value_or(~uint64_t{0});
  auto make = [&] {
    auto table = std::make_shared<LineTable>(sections_of(dwarf), at, directory, is_code_);
    if (table->damaged() && offset.has_value()) {
      note_damage("lines", dwarf_dieoffset(&unit) - dwarf_cuoffset(&unit));
    }
    return table;
  };
  return lines_.get(std::pair<const void*, uint64_t>(dwarf, at), make,
                    [](const LineTable& table) { return table.rows() + 16; });
}

SourceLine DwarfIndex::line_at(uint64_t vaddr) {
  for (const Unit& which : units_at(vaddr)) {
    ReadingBudget::spend();
    std::optional<Dwarf_Die> unit = unit_at_offset(which.offset);
    if (!unit.has_value()) continue;
    std::shared_ptr<LineTable> table = lines_of(*unit);
    LineTable::Position position = table->at(vaddr);
    if (position.line != 0) return {table->file(position.file), position.line};
  }
  return {};
}

SourceLine DwarfIndex::position(const Dwarf_Die& die, unsigned file_attribute,
                                unsigned line_attribute) {
  std::optional<uint64_t> file = die_number(die, file_attribute);
  std::optional<uint64_t> line = die_number(die, line_attribute);
  std::optional<Dwarf_Die> unit = unit_of(die);
  SourceLine position;
  if (line.has_value() && *line <= UINT32_MAX) position.line = static_cast<uint32_t>(*line);
  if (file.has_value() && unit.has_value()) position.file = lines_of(*unit)->file(*file);
  return position;
}

std::vector<Dwarf_Die> DwarfIndex::sample_units(size_t limit) {
  if (!indexed_) index_units();
  std::vector<Dwarf_Die> sample;
  size_t step = units_.size() / std::max<size_t>(limit, 1) + 1;
  for (size_t i = 0; i < units_.size(); i += step) {
    if (std::optional<Dwarf_Die> unit = unit_at_offset(units_[i].offset))
      sample.push_back(body_of(*unit));
  }
  return sample;
}

}  // namespace telinject
