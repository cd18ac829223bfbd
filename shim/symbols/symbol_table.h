// The functions in the symbol tables of a module, by address.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/symbols/elf_file.h"

namespace telinject {

struct Symbol {
  uint64_t vaddr;
  const char* name;      // as in the table, terminated; owned by the ELF file
  uint32_t bytes;        // 0: not known, it then covers its first byte only
  uint32_t source : 30;  // local symbols: number of the source file, 0 unknown; others: 0
  uint32_t rank : 2;     // 0 global, 1 weak, 2 local
};

class SymbolTable {
 public:
  // Adds the functions of one of the file's tables (SHT_SYMTAB or SHT_DYNSYM) for which `is_code`
  // holds. Returns how many there were in it. The file stays alive with the table.
  size_t add(std::shared_ptr<ElfFile> file, uint32_t section_type,
             const std::function<bool(uint64_t)>& is_code);
  void sort();  // after the last add(), before the first question

  bool empty() const { return symbols_.empty(); }

  // The aliases that start exactly there, best first: global before weak before local, few leading
  // underscores, short, then alphabetical; so the choice is the same on every run.
  std::span<const Symbol> at(uint64_t vaddr) const;

  // The symbols that start in [begin, end).
  std::span<const Symbol> between(uint64_t begin, uint64_t end) const;

  // The best alias of the innermost function whose size covers the address. Null if there is none.
  // (The nearest function before the address is no answer: libc is stripped, so it may be far
  // away.)
  const Symbol* covering(uint64_t vaddr) const;

  const Symbol* find(std::string_view name) const;  // the best of that name; linear

  // The function that the symbol is a clone of ("sort.part.0" -> "sort"; the one of the same source
  // file first), if it is in the table; else the symbol itself.
  const Symbol& base_of(const Symbol& symbol) const;

 private:
  void index_names() const;

  std::vector<Symbol> symbols_;        // by address, then by quality
  std::vector<uint64_t> highest_end_;  // of symbols_[0..i]
  // For base_of(), made when it is asked first: a hash of the name, and the place in symbols_.
  mutable std::vector<uint64_t> by_name_;
  std::vector<std::shared_ptr<ElfFile>> files_;
  uint32_t sources_ = 0;
};

}  // namespace telinject
