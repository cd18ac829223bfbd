// The debug information of one file, read on demand. The first question reads all units once to
// find which unit an address belongs to; later questions read that unit's functions, its line
// table, and the inlined calls of one function.
//
// .debug_aranges is not used, because clang does not write it. Units are cached in bounded caches.
// libdw's own memory (abbreviations of each unit it has seen) is freed, with all caches, every few
// thousand units.
#pragma once

#include <elfutils/libdw.h>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shim/symbols/abbreviations.h"
#include "shim/symbols/cost_cache.h"
#include "shim/symbols/elf_file.h"
#include "shim/symbols/line_table.h"
#include "shim/symbols/source_line.h"
#include "shim/symbols/unit_functions.h"

namespace telinject {

class DwarfIndex final : public ReferenceWatch {
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
  uint64_t info_bytes() const { return file_->section(".debug_info").size(); }

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

  // The first damage found so far; empty if there is none.
  const std::string& problem() const { return problem_; }

 private:
  struct Unit {
    uint64_t offset, abbreviations;  // in .debug_info, in .debug_abbrev
  };
  struct Header {
    Unit unit;
    uint64_t next;  // offset of the next unit
    uint64_t cost;  // abbreviations that libdw has yet to read for the unit's first entry
  };

  DwarfIndex() = default;
  bool begin(std::string* problem);
  bool attach_alternate(const std::string& root, std::string* problem);
  std::string missing_split_unit();
  bool next_header(uint64_t offset, Header* header);
  void pass_header(const Header& header);
  void index_units();
  std::vector<Unit> units_at(uint64_t vaddr);
  std::optional<Dwarf_Die> unit_at_offset(uint64_t offset);
  Dwarf_Die body_of(Dwarf_Die unit);
  std::shared_ptr<UnitFunctions> functions_of(const Unit& unit);
  std::shared_ptr<LineTable> lines_of(Dwarf_Die unit);
  LineSections sections_of(Dwarf* dwarf);
  void reached(Dwarf_Die die) override;
  Abbreviations* tables_of(Dwarf* dwarf);
  void read_abbreviations(uint64_t count);
  void note_damage(const char* what, uint64_t offset);

  // libdw has 150 bytes for each. Beyond the first number, what was read is thrown away at the next
  // question; a question that takes the second one is not answered.
  static constexpr uint64_t kManyAbbreviations = uint64_t{1} << 21;
  static constexpr uint64_t kMaxAbbreviations = uint64_t{1} << 22;

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
  std::vector<Unit> units_;
  std::vector<UnitRange> unit_ranges_;
  std::vector<uint64_t> highest_end_;

  // Dropped together by begin_question(), as they hold what libdw gave.
  CostCache<uint64_t, UnitFunctions> functions_{kMaxFunctions};
  CostCache<const void*, InlineTree> inlined_{kMaxInlined};
  CostCache<std::pair<const void*, uint64_t>, LineTable> lines_{kMaxRows};
  absl::flat_hash_map<const void*, Dwarf_Die> skeletons_;  // unit of a .dwo file -> its skeleton
  absl::flat_hash_map<const void*, LineSections> sections_;
  size_t units_read_ = 0;
  // By libdw, since dwarf_ was opened; those for the units' first entries are read anew with it.
  uint64_t abbreviations_read_ = 0, header_abbreviations_ = 0;
  uint64_t headers_read_until_ = 0;                 // in .debug_info: counted
  absl::flat_hash_set<const void*> split_counted_;  // units whose .dwo file is counted
  absl::flat_hash_set<const void*> units_reached_;  // by references from others
  std::optional<Abbreviations> abbreviations_;
  absl::flat_hash_map<const void*, Abbreviations> other_abbreviations_;  // of other files

  std::string problem_;
};

}  // namespace telinject
