// Functions around a call: inlined chains, identities, lines.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "builds.h"
#include "shim/symbols/demangle.h"
#include "shim/symbols/module.h"

namespace telinject::test::frames_test {
namespace {

std::shared_ptr<Module> open(const std::string& path) {
  ModuleIdentity identity;
  identity.path = path;
  std::string problem;
  std::shared_ptr<Module> module = Module::open(identity, &problem);
  REQUIRE(problem == "");
  return module;
}

std::vector<std::string> names_of(const std::vector<InlineFrame>& frames) {
  std::vector<std::string> names;
  for (const InlineFrame& frame : frames) names.push_back(frame.name);
  return names;
}

// What the tools print, as a function's own last name: "_ZN7Counter3addEi" -> "add".
std::string last_name(std::string text) {
  text = function_name(text);
  if (size_t at = text.rfind("operator"); at != std::string::npos) return text.substr(at);
  text = text.substr(0, text.find('<'));
  size_t scope = text.rfind("::");
  return scope == std::string::npos ? text : text.substr(scope + 2);
}

// The tools answer for code without debug information as well, from the symbol table: with no file,
// or the bare name that the table has for it (crtstuff.c), and no line. In units with debug
// information the compiler gave a directory.
bool from_debug_information(const Place& place) {
  return place.file.starts_with("/");
}

// What the tools call a function may be another of its names: the source's and asm("..."), aliases.
bool same_function(const std::string& ours, const std::string& theirs,
                   const std::vector<std::set<std::string>>& aliases) {
  if (ours == theirs || theirs == "??") return true;
  return std::any_of(aliases.begin(), aliases.end(), [&](const std::set<std::string>& names) {
    return names.contains(ours) && names.contains(theirs);
  });
}

std::vector<std::set<std::string>> aliases_in(const Workshop& workshop,
                                              const std::string& program) {
  std::map<uint64_t, std::set<std::string>> by_address;
  for (const NmSymbol& symbol : nm(workshop, program, "")) {
    by_address[symbol.vaddr].insert(last_name(symbol.name));
  }
  std::vector<std::set<std::string>> aliases = {{"renamed", "assembler_name"}};
  for (auto& [address, names] : by_address) {
    if (names.size() > 1) aliases.push_back(names);
  }
  return aliases;
}

const std::vector<Build> kBuilds = {
    {"gcc", "-O2 -g"},
    {"gcc", "-O2 -g1"},
    {"gcc", "-O2 -g -flto"},
    {"gcc", "-O2 -g -gdwarf-4"},
    {"gcc", "-O2 -g -gsplit-dwarf"},
    {"clang", "-O2 -g"},
    {"clang", "-O2 -g1"},
    {"clang", "-O2 -g -gsplit-dwarf"},
    {"clang", "-O2 -g -flto=thin -fuse-ld=lld"},
    {"g++", "-O0 -g"},
    {"g++", "-O2 -g"},
    {"g++", "-O3 -g"},
    {"g++", "-O2 -g1"},
    {"g++", "-O2 -g -gdwarf-4"},
    {"g++", "-O2 -g -ffunction-sections -Wl,--gc-sections"},
    {"g++", "-O2 -g -flto"},
    {"clang++", "-O0 -g"},
    {"clang++", "-O2 -g"},
    {"clang++", "-O2 -g -gdwarf-4"},
    {"clang++", "-O2 -g -flto -fuse-ld=lld"},
    {"clang++", "-O2 -g -flto=thin -fuse-ld=lld"},
};

}  // namespace

TEST_CASE("the function that a hook was called for is the innermost at its return address") {
  const Workshop& workshop = Builds::get().workshop();
  for (const Build& each : kBuilds) {
    INFO(each.compiler << " " << each.options);
    const std::string& program = Builds::get().program(each);
    std::shared_ptr<Module> module = open(workshop.path(program));
    std::vector<std::pair<uint64_t, uint64_t>> pairs = run_with_hooks(workshop, program);
    REQUIRE(pairs.size() > 10);
    size_t wrong = 0, inlined = 0;
    for (const auto& [function, return_address] : pairs) {
      std::vector<InlineFrame> frames = module->frames(return_address);
      FunctionDescription description = module->function(function);
      inlined += frames.size() > 1;
      if (!frames.empty() && frames.back().id == description.id && description.id != 0) continue;
      wrong++;
      UNSCOPED_INFO(description.name << " is not " << (frames.empty() ? "" : frames.back().name));
    }
    CHECK(wrong == 0);
    if (!each.has("-O0")) CHECK(inlined > 5);
  }
}

TEST_CASE("identities tell functions of the same name apart") {
  const Workshop& workshop = Builds::get().workshop();
  for (const char* compiler : {"gcc", "clang", "g++", "clang++"}) {
    for (const char* options : {"-O0 -g", "-O0 -g1", "-O0"}) {
      INFO(compiler << " " << options);
      const std::string& program = Builds::get().program({compiler, options});
      std::shared_ptr<Module> module = open(workshop.path(program));
      std::map<uint64_t, std::set<uint64_t>> addresses;
      for (const NmSymbol& symbol : nm(workshop, program, "")) {
        if (symbol.name == "twice" || symbol.name.find("internal") != std::string::npos) {
          FunctionDescription function = module->function(symbol.vaddr);
          CHECK(function.id != 0);
          addresses[function.id].insert(symbol.vaddr);
        }
      }
      CHECK(addresses.size() == 2);
    }
  }
}

TEST_CASE("split-off parts are the function, with and without DWARF") {
  const Workshop& workshop = Builds::get().workshop();
  for (const char* options : {"-O2 -g", "-O2", "-O2 -g1"}) {
    INFO(options);
    const std::string& program = Builds::get().program({"gcc", options});
    std::shared_ptr<Module> module = open(workshop.path(program));
    size_t parts = 0;
    for (const NmSymbol& symbol : nm(workshop, program, "")) {
      size_t dot = symbol.name.find('.');
      if (dot == std::string::npos) continue;
      std::string base = symbol.name.substr(0, dot);
      std::vector<InlineFrame> part = module->frames(symbol.vaddr + 1);
      REQUIRE(part.size() >= 1);
      CHECK(part[0].name == base);
      for (const NmSymbol& other : nm(workshop, program, "")) {
        if (other.name != base) continue;
        parts++;
        CHECK(part[0].id == module->function(other.vaddr).id);
      }
    }
    CHECK(parts >= 1);
  }
}

TEST_CASE("inlined chains and lines are those of llvm-symbolizer or addr2line") {
  const Workshop& workshop = Builds::get().workshop();
  bool llvm = workshop.try_run("command -v llvm-symbolizer-14");
  for (const Build& each : kBuilds) {
    // Neither tool finds .dwo files elsewhere than the compiler said, nor are they good at them.
    if (each.has("split")) continue;
    INFO(each.compiler << " " << each.options);
    const std::string& program = Builds::get().program(each);
    std::vector<std::set<std::string>> aliases = aliases_in(workshop, program);
    std::shared_ptr<Module> module = open(workshop.path(program));
    std::vector<uint64_t> returns = return_addresses(workshop, program), calls;
    for (uint64_t address : returns) calls.push_back(address - 1);
    std::vector<std::vector<Place>> expected = symbolizer(workshop, program, calls);
    size_t compared = 0, lines = 0;
    std::ostringstream wrong;
    for (size_t i = 0; i < returns.size(); i++) {
      std::vector<InlineFrame> frames = module->frames(returns[i]);
      SourceLine line = module->call_line(returns[i]);
      if (!from_debug_information(expected[i].back())) continue;
      compared++;
      bool same = frames.size() == expected[i].size();
      for (size_t k = 0; same && k < frames.size(); k++) {
        const InlineFrame& frame = frames[frames.size() - 1 - k];
        const Place& place = expected[i][k];
        same = same_function(last_name(frame.name), last_name(place.function), aliases);
        // A line of 0 is one that the compiler did not give; ours is then that of the code before.
        if (place.line != 0) lines += place.line != line.line || place.file != line.file;
        line = frame.called_from;
      }
      if (same) continue;
      wrong << "at " << std::hex << returns[i] << " " << Catch::Detail::stringify(names_of(frames))
            << " but " << expected[i].size() << " " << expected[i][0].function << "\n";
    }
    CHECK(compared > 20);
    CHECK(wrong.str() == "");
    // addr2line does not mind which sequence a row is in.
    if (llvm) CHECK(lines == 0);
  }
}

TEST_CASE("an inlined call tells where it stands in its caller") {
  Workshop workshop;
  workshop.write("nest.c", R"(
extern void sink(int);
static inline __attribute__((always_inline)) void inner(int x) {
  sink(x);
}
static inline __attribute__((always_inline)) void middle(int x) {
  if (x > 3) {
    inner(x + 1);
  }
}
void outer(int x) {
  for (int i = 0; i < x; i++) {
    middle(i);
  }
}
)");
  for (const char* compiler : {"gcc -O1", "gcc -O2", "clang -O1", "clang -O2"}) {
    INFO(compiler);
    workshop.run(std::string(compiler) + " -g -shared -fPIC nest.c -o nest.so");
    std::shared_ptr<Module> module = open(workshop.path("nest.so"));
    size_t found = 0;
    for (uint64_t address : return_addresses(workshop, "nest.so")) {
      std::vector<InlineFrame> frames = module->frames(address);
      if (frames.empty() || frames[0].name != "outer") continue;
      found++;
      CHECK(names_of(frames) == std::vector<std::string>{"outer", "middle", "inner"});
      CHECK(frames[0].called_from.line == 0);
      CHECK(frames[0].called_from.file == "");
      CHECK(frames[1].called_from.line == 13);
      CHECK(frames[2].called_from.line == 8);
      CHECK(frames[2].called_from.file == workshop.path("nest.c"));
      CHECK(module->call_line(address).line == 4);
      CHECK(module->call_line(address).file == workshop.path("nest.c"));
    }
    CHECK(found >= 1);
  }
}

TEST_CASE("functions that the linker dropped do not answer for others") {
  // In a library, addresses start at 0, where the linker leaves the rows of what it drops. A large
  // one then covers the addresses of real code in the same unit.
  Workshop workshop;
  std::string source = "extern int sink(int);\n";
  source += "int kept(int x) {\n  return sink(x) + 1;\n}\n";
  source += "__attribute__((visibility(\"hidden\"))) int dropped(int x) {\n";
  for (int i = 0; i < 3000; i++) source += "  x += sink(x);\n";
  source += "  return x;\n}\n";
  workshop.write("dropped.c", source);
  for (const char* compiler : {"gcc", "clang"}) {
    INFO(compiler);
    workshop.run(
        std::string(compiler) +
        " -g -O1 -shared -fPIC -ffunction-sections -Wl,--gc-sections dropped.c -o dropped.so");
    std::shared_ptr<Module> module = open(workshop.path("dropped.so"));
    size_t found = 0;
    for (uint64_t address : return_addresses(workshop, "dropped.so")) {
      std::vector<InlineFrame> frames = module->frames(address);
      if (frames.empty() || frames[0].name != "kept") continue;
      found++;
      CHECK(module->call_line(address).line == 3);
    }
    CHECK(found == 1);
  }
}

}  // namespace telinject::test::frames_test
