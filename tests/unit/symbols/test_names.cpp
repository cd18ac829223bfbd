// Names of functions, against nm and against what the sources say.
#include <catch2/catch.hpp>

#include <map>
#include <set>

#include "builds.h"
#include "shim/symbols/module.h"

namespace telinject::test::names_test {
namespace {

std::shared_ptr<Module> open(const std::string& path) {
  ModuleIdentity identity;
  identity.path = path;
  std::string problem;
  std::shared_ptr<Module> module = Module::open(identity, &problem);
  REQUIRE(problem == "");
  return module;
}

// Line of the first one that holds `text`.
uint32_t line_of(const std::string& source, const std::string& text) {
  std::vector<std::string> lines = lines_of(source);
  for (size_t i = 0; i < lines.size(); i++) {
    if (lines[i].find(text) != std::string::npos) return static_cast<uint32_t>(i + 1);
  }
  return 0;
}

// By linkage name, or name where that is all there is.
std::map<std::string, FunctionDescription> functions_of(Module* module,
                                                        const std::vector<NmSymbol>& symbols) {
  std::map<std::string, FunctionDescription> functions;
  for (const NmSymbol& symbol : symbols) functions[symbol.name] = module->function(symbol.vaddr);
  return functions;
}

const std::vector<Build> kBuilds = {{"gcc", "-O0 -g"},
                                    {"gcc", "-O2 -g"},
                                    {"gcc", "-O2 -g1"},
                                    {"gcc", "-O2"},
                                    {"gcc", "-O2 -g -flto"},
                                    {"gcc", "-O2 -g -gdwarf-4"},
                                    {"gcc", "-O2 -gsplit-dwarf -g"},
                                    {"gcc", "-O2 -g -no-pie"},
                                    {"clang", "-O0 -g"},
                                    {"clang", "-O2 -g"},
                                    {"clang", "-O2 -g1"},
                                    {"clang", "-O2"},
                                    {"clang", "-O2 -g -gdwarf-4"},
                                    {"clang", "-O2 -g -flto -fuse-ld=lld"},
                                    {"clang", "-O2 -g -gsplit-dwarf"},
                                    {"g++", "-O0 -g"},
                                    {"g++", "-O2 -g"},
                                    {"g++", "-O3 -g"},
                                    {"g++", "-O2 -g1"},
                                    {"g++", "-O2"},
                                    {"g++", "-O2 -g -flto"},
                                    {"g++", "-O2 -g -gz"},
                                    {"clang++", "-O0 -g"},
                                    {"clang++", "-O2 -g"},
                                    {"clang++", "-O2 -g1"},
                                    {"clang++", "-O2"},
                                    {"clang++", "-O2 -g -flto -fuse-ld=lld"},
                                    {"clang++", "-O2 -g -flto=thin -fuse-ld=lld"}};

}  // namespace

TEST_CASE("every function is called what nm calls it, without arguments") {
  const Workshop& workshop = Builds::get().workshop();
  for (const Build& each : kBuilds) {
    INFO(each.compiler << " " << each.options);
    const std::string& program = Builds::get().program(each);
    std::shared_ptr<Module> module = open(workshop.path(program));
    std::map<uint64_t, std::set<std::string>> expected;
    for (const NmSymbol& symbol : nm(workshop, program, "-C")) {
      expected[symbol.vaddr].insert(without_arguments(symbol.name));
    }
    REQUIRE(expected.size() > 10);
    size_t differences = 0;
    for (const auto& [vaddr, names] : expected) {
      FunctionDescription function = module->function(vaddr);
      bool found = false;
      for (const std::string& name : names) {
        // Of clones, and of what the source names otherwise, nm shows the assembler's name.
        std::string base = name.substr(0, name.find('.'));
        if (base == "assembler_name" && function.linkage_name == base) base = "renamed";
        // Return types of templates are left standing.
        found = found || function.name == base || base.ends_with(" " + function.name);
      }
      if (found) continue;
      differences++;
      UNSCOPED_INFO(function.name << " is none of " << *names.begin());
    }
    CHECK(differences == 0);
    CHECK(module->problem() == "");
  }
}

TEST_CASE("parameters, declarations and linkage names come from DWARF") {
  const Workshop& workshop = Builds::get().workshop();
  for (const Build& each : kBuilds) {
    if (!each.cpp()) continue;
    INFO(each.compiler << " " << each.options);
    const std::string& program = Builds::get().program(each);
    std::shared_ptr<Module> module = open(workshop.path(program));
    auto functions = functions_of(module.get(), nm(workshop, program, ""));
    FunctionDescription square = functions["_Z6squarei"];
    FunctionDescription method = functions["_ZN7Counter3addEi"];
    FunctionDescription internal = functions["_ZN2nsL8internalEii"];
    CHECK(square.name == "square");
    CHECK(square.linkage_name == "_Z6squarei");
    CHECK(functions["c_linkage"].linkage_name == "");
    if (!each.has("-g")) {
      CHECK_FALSE(square.parameters_known);
      CHECK(square.declared.line == 0);
      continue;
    }
    CHECK(square.declared.file == workshop.path("main.cpp"));
    CHECK(square.declared.line == line_of(kCppProgram, "int square("));
    bool complete = !each.has("-g1");
    CHECK(square.parameters_known == complete);
    if (!complete) continue;
    CHECK(square.parameters == "x");
    CHECK(method.parameters == "step");  // not this
    CHECK(method.declared.file == workshop.path("shared.h"));
    CHECK(method.declared.line == line_of(kCppHeader, "void add("));
    CHECK(internal.parameters == "a");  // the second has no name
    CHECK(functions["main"].parameters == "argc, argv");
    CHECK(functions["_ZNK2ns2v17Derived1fEi"].parameters == "unnamed_in_class");
    CHECK(functions["_ZNK2ns2v17Derived1fEi"].declared.line ==
          line_of(kCppProgram, "int Derived::f("));  // the definition
    CHECK(functions["_ZN2ns2v17DerivedC1Ei"].parameters == "start");
    if (functions.contains("_ZN2ns2v17DerivedC2Ei")) {
      CHECK(functions["_ZN2ns2v17DerivedC2Ei"].parameters == "start");  // not the vtables
    }
    CHECK(functions["_ZN7Counter6scaledEi"].parameters == "step");
    CHECK(functions["_ZN2ns2v17DerivedD1Ev"].parameters == "");
    CHECK(functions["_ZN2ns2v17DerivedD1Ev"].parameters_known);
  }
}

TEST_CASE("parameters of C functions") {
  const Workshop& workshop = Builds::get().workshop();
  for (const Build& each :
       {Build{"gcc", "-O2 -g"}, Build{"clang", "-O2 -g"}, Build{"gcc", "-O0 -g"}}) {
    const std::string& program = Builds::get().program(each);
    std::shared_ptr<Module> module = open(workshop.path(program));
    auto functions = functions_of(module.get(), nm(workshop, program, ""));
    CHECK(functions["visible"].parameters == "first, second");
    CHECK(functions["variadic"].parameters == "format");
    CHECK(functions["hidden"].parameters == "");
    CHECK(functions["hidden"].parameters_known);
    CHECK(functions["assembler_name"].name == "renamed");
    CHECK(functions["assembler_name"].linkage_name == "assembler_name");
    CHECK(functions["aliased"].name == "aliased");
    CHECK(functions["public_alias"].name == "aliased");  // the one that DWARF describes
  }
}

TEST_CASE("no name outside the functions that symbols cover") {
  const Workshop& workshop = Builds::get().workshop();
  for (const char* options : {"-O2", "-O2 -g"}) {
    const std::string& program = Builds::get().program({"gcc", options});
    std::shared_ptr<Module> module = open(workshop.path(program));
    std::vector<NmSymbol> symbols = nm(workshop, program, "");
    uint64_t last_end = 0;
    for (const NmSymbol& symbol : symbols)
      last_end = std::max(last_end, symbol.vaddr + symbol.bytes);
    CHECK(module->function(last_end + 64).name.starts_with(program + "+0x"));
    CHECK(module->frames(last_end + 64).empty());
    CHECK(module->function(0).name == program + "+0x0");
    CHECK(module->function(~uint64_t{0}).name == program + "+0xffffffffffffffff");
  }
}

TEST_CASE("the dynamic symbols of a stripped library are all that is known") {
  Workshop workshop;
  workshop.write("library.c",
                 "static int inner(int x) { return x * 7; }\n"
                 "int outer(int x) { return inner(x) + inner(x + 1); }\n");
  workshop.run("gcc -O0 -shared -fPIC library.c -o library.so");
  std::vector<NmSymbol> symbols = nm(workshop, "library.so", "");
  workshop.run("strip library.so");
  std::shared_ptr<Module> module = open(workshop.path("library.so"));
  auto functions = functions_of(module.get(), symbols);
  CHECK(functions["outer"].name == "outer");
  CHECK(functions["inner"].name.starts_with("library.so+0x"));
  CHECK(functions["inner"].id == 0);
  CHECK(module->short_name() == "library.so");
}

TEST_CASE("of aliases, global before weak before local, then the plainest, is chosen") {
  Workshop workshop;
  workshop.write("alias.s", R"(
.text
.globl __b_global, b_global_long, b_glob
.weak a_weak
.type __b_global,@function
.type b_global_long,@function
.type b_glob,@function
.type a_weak,@function
.type a_local,@function
a_local: a_weak: __b_global: b_global_long: b_glob: nop; ret
.size a_local,2
.size a_weak,2
.size __b_global,2
.size b_global_long,2
.size b_glob,2
)");
  workshop.run("gcc -shared -nostdlib alias.s -o alias.so");
  std::shared_ptr<Module> module = open(workshop.path("alias.so"));
  uint64_t vaddr = nm(workshop, "alias.so", "").at(0).vaddr;
  CHECK(module->function(vaddr).name == "b_glob");
  workshop.run("strip -N b_glob -N b_global_long alias.so");
  CHECK(open(workshop.path("alias.so"))->function(vaddr).name == "__b_global");
}

TEST_CASE("versions are no part of a name") {
  Workshop workshop;
  workshop.write("v.c",
                 "__asm__(\".symver f_old,f@V1\");__asm__(\".symver f_new,f@@V2\");\n"
                 "int f_old(void){return 1;} int f_new(void){return 2;}");
  workshop.write("v.map", "V1 { global: f; }; V2 { global: f; local: *; } V1;");
  workshop.run(
      "gcc -shared -fPIC v.c -Wl,--version-script=v.map -o v.so && strip -N f_old -N f_new v.so");
  std::shared_ptr<Module> module = open(workshop.path("v.so"));
  for (const NmSymbol& symbol : nm(workshop, "v.so", "")) {
    if (symbol.name.starts_with("f@")) CHECK(module->function(symbol.vaddr).name == "f");
  }
}

TEST_CASE("a .dwo file that is missing is told, with the .dwp file if that is there") {
  auto build = GENERATE(Build{"gcc", "-gdwarf-4"}, Build{"gcc", "-gdwarf-5"}, Build{"clang", ""});
  INFO(build.compiler << " " << build.options);
  Workshop workshop;
  workshop.write("split.c", "int f(int a) { return a; }\nint main(void) { return f(0); }\n");
  std::string compiler = build.compiler;
  workshop.run(compiler + " -g " + build.options + " -gsplit-dwarf -c split.c -o split.o && " +
               compiler + " split.o -o split");
  ModuleIdentity identity;
  identity.path = workshop.path("split");
  std::string problem;
  auto said = [&] {
    std::shared_ptr<Module> module = Module::open(identity, &problem);
    CHECK(problem == "");
    for (const NmSymbol& symbol : nm(workshop, "split", "")) {
      if (symbol.name == "f") CHECK(module->function(symbol.vaddr).name == "f");
    }
    std::string text = module->untold_problem();
    CHECK(module->untold_problem() == "");
    return text;
  };
  CHECK(said() == "");
  workshop.run("rm split.dwo");
  CHECK(said().find("split.dwo is not there: ") != std::string::npos);
  workshop.run("touch split.dwp");
  CHECK(said().find("split.dwo is not there (a .dwp file is") != std::string::npos);
}

}  // namespace telinject::test::names_test
