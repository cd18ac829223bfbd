// The files behind one module: found, checked to be the ones that were mapped, opened, and watched
// for being written to while we read them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "shim/symbols/dwarf_index.h"
#include "shim/symbols/elf_file.h"
#include "shim/symbols/module.h"
#include "shim/symbols/symbol_table.h"

namespace telinject {

class ModuleFiles {
 public:
  // Opens the program or library itself; reads nothing but headers.
  explicit ModuleFiles(const ModuleIdentity& identity);

  const std::string& short_name() const { return short_name_; }
  std::string problem() const;

  // Null if it could not be opened, is not the file that was mapped, or was written to since.
  const ElfFile* program() const { return program_.get(); }

  // To be called before a question: reads the symbols and finds the debug information if that has
  // not been done. False if there is no program(). *dropped is set if entries got from dwarf()
  // before are no longer valid.
  bool begin_question(bool* dropped);
  // To be called after it: false if the files changed in the meantime, so that the answer cannot be
  // trusted. There is no program() any more then.
  bool still_intact();
  // Something else went wrong while reading, such as lack of memory.
  void note_problem(const std::string& what);

  DwarfIndex* dwarf() { return dwarf_.get(); }  // null if there is none
  const SymbolTable& symbols() const { return symbols_; }

 private:
  bool try_open(const std::string& path, const ModuleIdentity& identity, std::string* error);
  void load();
  void drop();

  std::string root_;
  std::string path_;
  std::string short_name_;
  std::string problem_;
  std::shared_ptr<ElfFile> program_, debug_;
  std::unique_ptr<DwarfIndex> dwarf_;
  SymbolTable symbols_;
  bool loaded_ = false;
};

}  // namespace telinject
