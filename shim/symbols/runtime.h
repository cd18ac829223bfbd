// The language and compiler of a module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shim/symbols/elf_file.h"

namespace telinject {

class DwarfIndex;

struct Runtime {
  std::string language;  // "c" or "cpp"
  std::string version;   // "GNU C17 12.2.0", "Debian clang version 14.0.6"; "" unknown
};

// From the unit that holds main(), if its address is given; else what most units of a sample say;
// else the text that compilers leave in .comment. The language is "cpp" where only the libraries
// tell it and the C++ one is among them. `dwarf` may be null.
Runtime runtime_of(const ElfFile& program, DwarfIndex* dwarf, std::optional<uint64_t> main_vaddr);

}  // namespace telinject
