// The files of one module: finds and opens them, checks that they are the files that were mapped,
// and notices if they are written to while they are read.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "shim/symbols/dwarf_index.h"
#include "shim/symbols/elf_file.h"
#include "shim/symbols/file_access.h"
#include "shim/symbols/module.h"
#include "shim/symbols/symbol_table.h"

namespace telinject {

class ModuleFiles {
 public:
  // Opens the program or library itself; reads nothing but headers.
  explicit ModuleFiles(const ModuleIdentity& identity);

  // With what FileAccess::Scope its files are opened.
  const FileAccess* access() const { return access_.get(); }
  const std::string& root() const { return root_; }

  const std::string& short_name() const { return short_name_; }
  std::string problem() const;

  // Null if it could not be opened, is not the file that was mapped, or was written to since.
  const ElfFile* program() const { return program_.get(); }

  // Call this before a question: reads the symbols and finds the debug information if that has
  // not been done. False if there is no program(). *dropped is set if entries got from dwarf()
  // before are no longer valid.
  bool begin_question(bool* dropped);
  // Call this after a question: false if the files changed in the meantime, so the answer cannot be
  // trusted and there is no program() any more.
  bool still_intact();
  // From now on, names come from the symbol table; if reading that takes too long, there are none.
  void give_up_dwarf(const std::string& why);
  // Something else went wrong while reading, such as lack of memory.
  void note_problem(const std::string& what);

  DwarfIndex* dwarf() { return dwarf_.get(); }  // null if there is none
  const SymbolTable& symbols() const { return symbols_; }

 private:
  bool try_open(const std::string& path, const ModuleIdentity& identity, std::string* error);
  void load();
  void load_dwarf();
  void drop();

  std::shared_ptr<FileAccess> access_;
  std::string root_;
  std::string path_;
  std::string short_name_;
  std::string problem_;
  std::shared_ptr<ElfFile> program_, debug_;
  std::unique_ptr<DwarfIndex> dwarf_;
  SymbolTable symbols_;
  bool loaded_ = false, without_dwarf_ = false;
};

}  // namespace telinject
