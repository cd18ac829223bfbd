// Compressed debug information that is unpacked into a file: the same answers as from the plain
// one.
#include <catch2/catch.hpp>

#include "builds.h"
#include "shim/symbols/module.h"
#include "shim/symbols/unpacked_file.h"

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

// All that a module says of its functions and of the calls in them, a line each.
std::vector<std::string> answers(const Workshop& workshop, const std::string& file,
                                 Module* module) {
  std::vector<std::string> lines;
  auto place = [](const SourceLine& at) { return at.file + ":" + std::to_string(at.line); };
  for (const NmSymbol& symbol : nm(workshop, file, "")) {
    FunctionDescription function = module->function(symbol.vaddr);
    lines.push_back(function.name + "(" + function.parameters + ") " + function.linkage_name + " " +
                    place(function.declared) + " " + std::to_string(function.id));
  }
  for (uint64_t address : return_addresses(workshop, file)) {
    std::string line = place(module->call_line(address));
    for (const InlineFrame& frame : module->frames(address)) {
      line += " < " + frame.name + " " + place(frame.called_from);
    }
    lines.push_back(line);
  }
  Runtime runtime = module->runtime();
  lines.push_back(runtime.language + " " + runtime.version);
  return lines;
}

const std::vector<Build> kBuilds = {
    {"gcc", "-O2 -g"},           {"gcc", "-O2 -g -gdwarf-4"},       {"g++", "-O2 -g"},
    {"g++", "-O2 -g -gdwarf-4"}, {"clang", "-O2 -g -gsplit-dwarf"}, {"clang++", "-O2 -g"},
};

}  // namespace

TEST_CASE("unpacked into a file, debug information says the same") {
  const Workshop& workshop = Builds::get().workshop();
  for (const Build& build : kBuilds) {
    INFO(build.compiler << " " << build.options);
    const std::string& plain = Builds::get().program(build);
    std::string packed = plain + ".packed";
    workshop.run("objcopy --compress-debug-sections=zlib " + plain + " " + packed);
    std::vector<std::string> expected = answers(workshop, plain, open(workshop.path(plain)).get());

    int signs = 0;
    set_unpacking({.directory = workshop.path(""), .worth_bytes = 0, .progress = [&] { signs++; }});
    std::shared_ptr<Module> module = open(workshop.path(packed));
    CHECK(answers(workshop, packed, module.get()) == expected);
    CHECK(module->problem() == "");
    CHECK(signs > 0);

    // Without a place for the file, memory will do.
    signs = 0;
    set_unpacking({.directory = "/no/such/folder", .worth_bytes = 0, .progress = [&] { signs++; }});
    module = open(workshop.path(packed));
    CHECK(answers(workshop, packed, module.get()) == expected);
    CHECK(module->problem().find("/no/such/folder") != std::string::npos);
    CHECK(signs == 0);
    set_unpacking({});
  }
}

TEST_CASE("compressed debug information that is damaged is no worse in a file") {
  const Workshop& workshop = Builds::get().workshop();
  const std::string& plain = Builds::get().program({"g++", "-O2 -g"});
  std::string packed = plain + ".damaged";
  workshop.run("objcopy --compress-debug-sections=zlib " + plain + " " + packed);
  // The middle of .debug_info.
  workshop.run(
      "set -- $(readelf -SW " + packed +
      " | sed -n 's/.* \\.debug_info *PROGBITS *[0-9a-f]* \\([0-9a-f]*\\) \\([0-9a-f]*\\) .*/\\1 "
      "\\2/p') && printf '%200s' '' | dd of=" +
      packed + " bs=1 seek=$((0x$1 + 0x$2 / 2)) conv=notrunc 2>/dev/null");
  set_unpacking({.directory = workshop.path(""), .worth_bytes = 0});
  std::shared_ptr<Module> module = open(workshop.path(packed));
  for (const NmSymbol& symbol : nm(workshop, packed, "")) {
    CHECK(!module->function(symbol.vaddr).name.empty());  // of the symbol table
  }
  CHECK(module->problem().find("damaged") != std::string::npos);
  set_unpacking({});
}

}  // namespace telinject::test
