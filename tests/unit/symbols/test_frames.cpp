// Functions around a call: inlined chains, identities, lines.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "builds.h"
#include "shim/symbols/demangle.h"
#include "shim/symbols/module.h"

namespace telinject::test {
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
  Workshop workshop;
  write_sources(workshop);
  for (const Build& each : kBuilds) {
    INFO(each.compiler << " " << each.options);
    build(workshop, each, "program");
    std::shared_ptr<Module> module = open(workshop.path("program"));
    std::vector<std::pair<uint64_t, uint64_t>> pairs = run_with_hooks(workshop, "program");
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
    if (std::string(each.options).find("-O0") == std::string::npos) CHECK(inlined > 5);
  }
}

TEST_CASE("identities tell functions of the same name apart") {
  Workshop workshop;
  write_sources(workshop);
  for (const char* compiler : {"gcc", "clang", "g++", "clang++"}) {
    for (const char* options : {"-O0 -g", "-O0 -g1", "-O0"}) {
      INFO(compiler << " " << options);
      build(workshop, {compiler, options}, "program");
      std::shared_ptr<Module> module = open(workshop.path("program"));
      std::map<uint64_t, std::set<uint64_t>> addresses;
      for (const NmSymbol& symbol : nm(workshop, "program", "")) {
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
  Workshop workshop;
  write_sources(workshop);
  for (const char* options : {"-O2 -g", "-O2", "-O2 -g1"}) {
    INFO(options);
    build(workshop, {"gcc", options}, "program");
    std::shared_ptr<Module> module = open(workshop.path("program"));
    size_t parts = 0;
    for (const NmSymbol& symbol : nm(workshop, "program", "")) {
      size_t dot = symbol.name.find('.');
      if (dot == std::string::npos) continue;
      std::string base = symbol.name.substr(0, dot);
      std::vector<InlineFrame> part = module->frames(symbol.vaddr + 1);
      REQUIRE(part.size() >= 1);
      CHECK(part[0].name == base);
      for (const NmSymbol& other : nm(workshop, "program", "")) {
        if (other.name != base) continue;
        parts++;
        CHECK(part[0].id == module->function(other.vaddr).id);
      }
    }
    CHECK(parts >= 1);
  }
}

TEST_CASE("inlined chains and lines are those of llvm-symbolizer or addr2line") {
  Workshop workshop;
  write_sources(workshop);
  bool llvm = workshop.try_run("command -v llvm-symbolizer-14");
  for (const Build& each : kBuilds) {
    // Neither tool finds .dwo files elsewhere than the compiler said, nor are they good at them.
    if (std::string(each.options).find("split") != std::string::npos) continue;
    INFO(each.compiler << " " << each.options);
    build(workshop, each, "program");
    std::shared_ptr<Module> module = open(workshop.path("program"));
    std::vector<uint64_t> returns = return_addresses(workshop, "program"), calls;
    for (uint64_t address : returns) calls.push_back(address - 1);
    std::vector<std::vector<Place>> expected = symbolizer(workshop, "program", calls);
    size_t compared = 0, chains = 0, lines = 0;
    for (size_t i = 0; i < returns.size(); i++) {
      std::vector<InlineFrame> frames = module->frames(returns[i]);
      SourceLine line = module->call_line(returns[i]);
      if (expected[i][0].file == "??") continue;
      compared++;
      bool same = frames.size() == expected[i].size();
      for (size_t k = 0; same && k < frames.size(); k++) {
        const InlineFrame& frame = frames[frames.size() - 1 - k];
        const Place& place = expected[i][k];
        std::string name = last_name(place.function);
        if (place.function == "assembler_name") name = "renamed";
        same = same && (last_name(frame.name) == name || place.function == "??");
        // A line of 0 is one that the compiler did not give; ours is then that of the code before.
        if (place.line != 0) lines += place.line != line.line || place.file != line.file;
        line = frame.called_from;
      }
      chains += !same;
      if (!same) {
        UNSCOPED_INFO("at " << std::hex << returns[i] << " "
                            << Catch::Detail::stringify(names_of(frames)) << " but "
                            << expected[i].size() << " " << expected[i][0].function);
      }
    }
    CHECK(compared > 20);
    CHECK(chains == 0);
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

}  // namespace telinject::test
