// What other tools say of the test programs: nm, objdump, addr2line, llvm-symbolizer, and the
// programs' own hooks.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/lib/workshop.h"

namespace telinject::test {

// Functions by address, as nm prints them.
struct NmSymbol {
  uint64_t vaddr;
  uint64_t bytes;
  std::string name;
};
std::vector<NmSymbol> nm(const Workshop& workshop, const std::string& file,
                         const std::string& options);

// Without the function's own arguments, qualifiers and "[clone .cold]", and, of a template, its
// return type: "int ns::f<char>(int) const [clone .cold]" -> "ns::f<char>". A second opinion on
// what function_name() does, from nm's text.
std::string without_arguments(std::string name);

// Addresses behind each call instruction in the file.
std::vector<uint64_t> return_addresses(const Workshop& workshop, const std::string& file);

// What the hooks of a program saw: function and own return address, in the file's address space.
std::vector<std::pair<uint64_t, uint64_t>> run_with_hooks(const Workshop& workshop,
                                                          const std::string& program);

// One place, as addr2line or llvm-symbolizer print them: innermost function first.
struct Place {
  std::string function, file;
  uint32_t line;
};
std::vector<std::vector<Place>> symbolizer(const Workshop& workshop, const std::string& file,
                                           const std::vector<uint64_t>& addresses);

}  // namespace telinject::test
