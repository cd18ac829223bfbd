#include "shim/symbols/runtime.h"

#include <dwarf.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/symbols/byte_reader.h"
#include "shim/symbols/dwarf_index.h"
#include "shim/symbols/function_die.h"

namespace telinject {

namespace {

constexpr size_t kSampledUnits = 256;
constexpr size_t kMaxVersion = 200;

// "GNU C17 12.2.0 -mtune=generic -g -O2" -> "GNU C17 12.2.0"
std::string without_options(std::string_view producer) {
  size_t end = std::min({producer.find(" -"), producer.find(" /"), kMaxVersion, producer.size()});
  return std::string(producer.substr(0, end));
}

// The assembler and the link-time optimiser's output are not what the program was written with.
bool names_a_compiler(std::string_view producer) {
  return !producer.empty() && !producer.starts_with("GNU AS") &&
         !producer.starts_with("GNU GIMPLE");
}

std::string language_name(uint64_t language) {
  if (is_c(language)) return "c";
  return is_c_plus_plus(language) ? "cpp" : "";
}

Runtime of_unit(const Dwarf_Die& die) {
  std::string_view producer = producer_of(die);
  if (!names_a_compiler(producer)) return {};
  return {language_name(language_of(die)), without_options(producer)};
}

Runtime of_most_units(DwarfIndex* dwarf) {
  std::map<std::pair<std::string, std::string>, size_t> counts;
  for (const Dwarf_Die& unit : dwarf->sample_units(kSampledUnits)) {
    Runtime runtime = of_unit(unit);
    if (!runtime.version.empty()) counts[{runtime.language, runtime.version}]++;
  }
  auto most = std::max_element(counts.begin(), counts.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end()) return {};
  return {most->first.first, most->first.second};
}

// The start-up files of the C library were compiled by gcc, so its text is there as well in what
// another compiler built.
std::string of_comment(const ElfFile& program) {
  std::string gcc;
  constexpr size_t kMaxComment = 64 * 1024;
  std::span<const uint8_t> comment = program.section(".comment");
  ByteReader reader(comment.first(std::min(comment.size(), kMaxComment)));
  while (!reader.at_end()) {
    std::string_view text = reader.text();
    if (text.empty() || text.starts_with("Linker:")) continue;
    if (!text.starts_with("GCC:")) return std::string(text.substr(0, kMaxVersion));
    if (gcc.empty()) gcc = text.substr(0, kMaxVersion);
  }
  return gcc;
}

bool needs_cpp_library(const ElfFile& program) {
  for (const std::string& name : program.needed()) {
    if (name.starts_with("libstdc++.so") || name.starts_with("libc++.so")) return true;
  }
  return false;
}

}  // namespace

Runtime runtime_of(const ElfFile& program, DwarfIndex* dwarf, std::optional<uint64_t> main_vaddr) {
  Runtime runtime;
  if (dwarf != nullptr && main_vaddr.has_value()) {
    if (std::optional<DwarfIndex::Found> found = dwarf->function_at(*main_vaddr)) {
      // With link-time optimisation the code is in a unit of the optimiser's; its origin is not.
      runtime = of_unit(FunctionDie(found->function->die).root());
    }
  }
  if (dwarf != nullptr && runtime.version.empty()) runtime = of_most_units(dwarf);
  if (runtime.version.empty()) runtime.version = of_comment(program);
  if (runtime.language.empty()) runtime.language = needs_cpp_library(program) ? "cpp" : "c";
  return runtime;
}

}  // namespace telinject
