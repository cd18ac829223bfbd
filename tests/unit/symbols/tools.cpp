#include "tools.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace telinject::test {

std::vector<NmSymbol> nm(const Workshop& workshop, const std::string& file,
                         const std::string& options) {
  std::vector<NmSymbol> symbols;
  for (const std::string& line : lines_of(workshop.run("nm -S " + options + " " + file))) {
    std::istringstream fields(line);
    NmSymbol symbol;
    char type;
    if (!(fields >> std::hex >> symbol.vaddr >> symbol.bytes >> type)) continue;
    if (std::string("tTwW").find(type) == std::string::npos) continue;
    std::getline(fields >> std::ws, symbol.name);
    symbols.push_back(symbol);
  }
  return symbols;
}

std::string without_arguments(std::string name) {
  for (size_t clone; (clone = name.find(" [clone ")) != std::string::npos;) {
    name.erase(clone, name.find(']', clone) + 1 - clone);
  }
  for (const char* qualifier : {"&", "&", " ", " volatile", " const"}) {
    size_t length = std::string(qualifier).size();
    if (name.size() > length && name.ends_with(qualifier)) name.erase(name.size() - length);
  }
  if (!name.ends_with(")") || name.ends_with("operator()")) return name;
  size_t at = name.size();
  for (int depth = 0; at-- > 0;) {
    if (name[at] == ')') depth++;
    if (name[at] == '(' && --depth == 0) break;
  }
  name.erase(at);
  return name;
}

std::vector<uint64_t> return_addresses(const Workshop& workshop, const std::string& file) {
  std::vector<uint64_t> addresses;
  bool after_call = false;
  for (const std::string& line : lines_of(workshop.run("objdump -d --no-show-raw-insn " + file))) {
    std::istringstream fields(line);
    uint64_t address;
    char colon;
    std::string instruction;
    if (!(fields >> std::hex >> address >> colon >> instruction) || colon != ':') continue;
    if (after_call) addresses.push_back(address);
    after_call = instruction.starts_with("call");
  }
  return addresses;
}

std::vector<std::pair<uint64_t, uint64_t>> run_with_hooks(const Workshop& workshop,
                                                          const std::string& program) {
  workshop.run("./" + program + " > /dev/null");
  std::vector<std::pair<uint64_t, uint64_t>> pairs;
  std::ifstream file(workshop.path("hooks.out"));
  for (uint64_t function, return_address; file >> std::hex >> function >> return_address;) {
    pairs.emplace_back(function, return_address);
  }
  std::filesystem::remove(workshop.path("hooks.out"));
  return pairs;
}

std::vector<std::vector<Place>> symbolizer(const Workshop& workshop, const std::string& file,
                                           const std::vector<uint64_t>& addresses) {
  std::ostringstream input;
  for (uint64_t address : addresses) input << std::hex << "0x" << address << "\n";
  workshop.write("addresses", input.str());
  // addr2line marks each address with -a; llvm-symbolizer takes the same options.
  const char* tool =
      workshop.try_run("command -v llvm-symbolizer-14")
          ? "llvm-symbolizer-14 --addresses --inlines --output-style=GNU --functions=linkage "
            "--no-demangle --obj="
          : "addr2line -a -i -f -e ";
  std::vector<std::vector<Place>> places;
  std::vector<std::string> lines = lines_of(workshop.run(tool + file + " < addresses"));
  for (size_t i = 0; i < lines.size(); i++) {
    if (lines[i].starts_with("0x")) {
      places.emplace_back();
      continue;
    }
    if (i + 1 >= lines.size() || places.empty()) break;
    std::string function = lines[i], position = lines[++i];
    position = position.substr(0, position.find(" (discriminator"));
    size_t colon = position.rfind(':');
    std::string path = position.substr(0, colon);
    if (path.starts_with("/")) path = std::filesystem::path(path).lexically_normal().string();
    places.back().push_back(
        {function, path,
         static_cast<uint32_t>(std::strtoul(position.c_str() + colon + 1, nullptr, 10))});
  }
  REQUIRE(places.size() == addresses.size());
  return places;
}

}  // namespace telinject::test
