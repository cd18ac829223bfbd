// The debug information of one file, read where it is needed: which unit an address belongs to (one
// pass over the entries of all units, at the first question), then that unit's functions, its line
// table, and the inlined calls of the one function.
//
// .debug_aranges is not used: clang does not write it. What has been read of units is kept in
// caches of bounded size; what libdw itself keeps of each unit it has seen (abbreviations) is
// thrown away, with all the caches, every few thousand units.
#pragma once

#include <elfutils/libdw.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shim/symbols/cost_cache.h"
#include "shim/symbols/elf_file.h"
#include "shim/symbols/line_table.h"
#include "shim/symbols/source_line.h"
#include "shim/symbols/unit_functions.h"

namespace telinject {

class DwarfIndex {
 public:
  // Null if the file has no (usable) debug information; if it has some that cannot be used, the
  // reason is in *problem. `program`: the file whose code it describes, often the same; where it
  // ends, and which addresses are code, is asked of it.
  static std::unique_ptr<DwarfIndex> open(std::shared_ptr<ElfFile> file,
                                          std::shared_ptr<ElfFile> program, const std::string& root,
                                          std::string* problem);
  ~DwarfIndex();
  DwarfIndex(const DwarfIndex&) = delete;
  DwarfIndex& operator=(const DwarfIndex&) = delete;

  const FileImage& image() const { return file_->image(); }

  // A function with code at the address. The entries are valid until the next begin_question().
  struct Found {
    std::shared_ptr<UnitFunctions> unit;
    const UnitFunctions::Function* function;
  };
  std::optional<Found> function_at(uint64_t vaddr);
  // Inlined calls around the address in that function, outermost first.
  std::vector<Dwarf_Die> inlined_at(const Found& found, uint64_t vaddr);
  SourceLine line_at(uint64_t vaddr);
  // The position that an entry's attributes give, such as DW_AT_decl_file and DW_AT_decl_line.
  SourceLine position(const Dwarf_Die& die, unsigned file_attribute, unsigned line_attribute);

  // Entries of units in the file (of split ones, those in their .dwo files), at most `limit`,
  // evenly spread.
  std::vector<Dwarf_Die> sample_units(size_t limit);

  // To be called before each group of questions whose entries are used together. True if entries
  // that were got before are no longer valid.
  bool begin_question();

  // Whether an entry is in the file that several debug files share.
  bool is_alternate(const Dwarf_Die& die) const;

  // What was found damaged so far; empty if nothing was.
  const std::string& problem() const { return problem_; }

 private:
  DwarfIndex() = default;
  bool begin(std::string* problem);
  bool attach_alternate(const std::string& root, std::string* problem);
  std::string missing_split_unit();
  void index_units();
  std::vector<uint64_t> units_at(uint64_t vaddr);
  std::optional<Dwarf_Die> unit_at_offset(uint64_t offset);
  Dwarf_Die body_of(Dwarf_Die unit);
  std::shared_ptr<UnitFunctions> functions_of(uint64_t unit_offset);
  std::shared_ptr<LineTable> lines_of(Dwarf_Die unit);
  LineSections sections_of(Dwarf* dwarf);
  void note_damage(const char* what, uint64_t offset);

  // Bounds of the caches, in entries of 24 to 64 bytes, and in rows of 16 bytes.
  static constexpr size_t kMaxFunctions = size_t{1} << 20;
  static constexpr size_t kMaxInlined = size_t{1} << 20;
  static constexpr size_t kMaxRows = size_t{1} << 22;

  struct UnitRange {
    uint64_t begin, end;
    uint32_t unit;  // in units_
  };

  std::shared_ptr<ElfFile> file_, program_, alternate_;
  std::function<bool(uint64_t)> is_code_;
  Dwarf* dwarf_ = nullptr;
  Dwarf* alternate_dwarf_ = nullptr;

  bool indexed_ = false;
  std::vector<uint64_t> units_;  // offsets of their entries
  std::vector<UnitRange> unit_ranges_;
  std::vector<uint64_t> highest_end_;

  // Dropped together by begin_question(), as they hold what libdw gave.
  CostCache<uint64_t, UnitFunctions> functions_{kMaxFunctions};
  CostCache<const void*, InlineTree> inlined_{kMaxInlined};
  CostCache<std::pair<const void*, uint64_t>, LineTable> lines_{kMaxRows};
  absl::flat_hash_map<const void*, Dwarf_Die> skeletons_;  // unit of a .dwo file -> its skeleton
  absl::flat_hash_map<const void*, LineSections> sections_;
  size_t units_read_ = 0;

  std::string problem_;
};

}  // namespace telinject
