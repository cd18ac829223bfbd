// Checks a .dwo file before libdw opens it: libdw opens any kind of file, maps it, and unpacks
// sections to whatever size they claim.
#pragma once

#include <elfutils/libdw.h>
#include <libelf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace telinject {

// The path at which libdw looks for the .dwo file of a skeleton unit; "" if the unit is not a
// skeleton or names no file.
std::string split_file_of(const Dwarf_Die& unit);

// How many abbreviations libdw will read of the file: to find the unit, and those of the unit
// (abbreviations.h). Nullopt unless it is a regular file (opening a FIFO would wait for ever) and
// an ELF file whose compressed sections claim plausible sizes.
std::optional<uint64_t> abbreviations_of_split_file(const std::string& path);

// The bytes of a section of a .dwo file that libdw has opened; empty if there is none.
std::span<const uint8_t> section_of_split_file(Elf* elf, std::string_view name);

}  // namespace telinject
