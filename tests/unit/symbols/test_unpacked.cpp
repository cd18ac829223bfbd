// Compressed debug information that is unpacked into a file: the same answers as from the plain
// one.
#include <elf.h>
#include <zstd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "builds.h"
#include "shim/symbols/module.h"
#include "shim/symbols/unpacked_file.h"
#include "shim/symbols/unpacked_section.h"

namespace telinject::test::unpacked_test {
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
  auto way = GENERATE("zlib", "zstd");
  const Workshop& workshop = Builds::get().workshop();
  for (const Build& build : kBuilds) {
    INFO(way << " " << build.compiler << " " << build.options);
    const std::string& plain = Builds::get().program(build);
    std::string packed = plain + ".packed";
    workshop.run(std::string("objcopy --compress-debug-sections=") + way + " " + plain + " " +
                 packed);
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
    CHECK(signs > 0);
    set_unpacking({});

    // A little is unpacked into memory at once.
    module = open(workshop.path(packed));
    CHECK(answers(workshop, packed, module.get()) == expected);
    CHECK(module->problem() == "");
  }
}

TEST_CASE("a separate debug file may be compressed with zstd") {
  const Workshop& workshop = Builds::get().workshop();
  const std::string& plain = Builds::get().program({"g++", "-O2 -g"});
  std::string stripped = plain + ".stripped", debug = plain + ".debug";
  workshop.run("objcopy --only-keep-debug --compress-debug-sections=zstd " + plain + " " + debug +
               " && objcopy --strip-all --add-gnu-debuglink=" + debug + " " + plain + " " +
               stripped);
  std::shared_ptr<Module> module = open(workshop.path(stripped));
  std::shared_ptr<Module> whole = open(workshop.path(plain));
  for (const NmSymbol& symbol : nm(workshop, plain, "")) {
    FunctionDescription found = module->function(symbol.vaddr);
    FunctionDescription expected = whole->function(symbol.vaddr);
    CHECK(found.name == expected.name);
    CHECK(found.parameters == expected.parameters);
    CHECK(found.declared.line == expected.declared.line);
  }
  CHECK(module->problem() == "");
}

TEST_CASE("compressed debug information that is damaged is no worse in a file") {
  auto way = GENERATE("zlib", "zstd");
  auto worth_bytes = GENERATE(uint64_t{0}, uint64_t{1} << 30);
  const Workshop& workshop = Builds::get().workshop();
  const std::string& plain = Builds::get().program({"g++", "-O2 -g"});
  std::string packed = plain + ".damaged";
  workshop.run(std::string("objcopy --compress-debug-sections=") + way + " " + plain + " " +
               packed);
  // The middle of .debug_info.
  workshop.run(
      "set -- $(readelf -SW " + packed +
      " | sed -n 's/.* \\.debug_info *PROGBITS *[0-9a-f]* \\([0-9a-f]*\\) \\([0-9a-f]*\\) .*/\\1 "
      "\\2/p') && printf '%200s' '' | dd of=" +
      packed + " bs=1 seek=$((0x$1 + 0x$2 / 2)) conv=notrunc 2>/dev/null");
  set_unpacking({.directory = workshop.path(""), .worth_bytes = worth_bytes});
  std::shared_ptr<Module> module = open(workshop.path(packed));
  for (const NmSymbol& symbol : nm(workshop, packed, "")) {
    CHECK(!module->function(symbol.vaddr).name.empty());  // of the symbol table
  }
  CHECK(module->problem().find("damaged") != std::string::npos);
  set_unpacking({});
}

TEST_CASE("a compressed section's claim is held against what is in it") {
  std::vector<uint8_t> content(100000);
  for (size_t i = 0; i < content.size(); i++) content[i] = static_cast<uint8_t>(i * i >> 7);
  std::vector<uint8_t> frame(ZSTD_compressBound(content.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), content.data(), content.size(), 1));
  auto section = [&](uint32_t type, uint64_t claim, size_t kept) {
    Elf64_Chdr header = {type, 0, claim, 1};
    std::vector<uint8_t> bytes(sizeof header + kept);
    memcpy(bytes.data(), &header, sizeof header);
    std::copy_n(frame.begin(), kept, bytes.begin() + sizeof header);
    return bytes;
  };
  std::shared_ptr<FileImage> image = FileImage::of_bytes("none", {});
  auto unpack = [&](uint64_t claim, size_t kept, std::vector<uint8_t>* out) {
    std::vector<uint8_t> bytes = section(2, claim, kept);
    Compressed how;
    REQUIRE(read_compressed(bytes, &how));
    REQUIRE(is_zstd(how));
    auto take = [&](const void* data, size_t size) {
      auto* from = static_cast<const uint8_t*>(data);
      out->insert(out->end(), from, from + size);
      return true;
    };
    return unpack_section(*image, how, take, [] {});
  };
  std::vector<uint8_t> out;
  CHECK(unpack(content.size(), frame.size(), &out) == Unpacked::kDone);
  CHECK(out == content);
  CHECK(unpack(content.size() - 1, frame.size(), &out) == Unpacked::kDamaged);
  CHECK(unpack(content.size() + 1, frame.size(), &out) == Unpacked::kDamaged);
  CHECK(unpack(0, frame.size(), &out) == Unpacked::kDamaged);
  CHECK(unpack(content.size(), frame.size() - 1, &out) == Unpacked::kDamaged);
  CHECK(unpack(0, 0, &out) == Unpacked::kDamaged);
  Compressed how;
  CHECK_FALSE(read_compressed(section(2, uint64_t{1} << 40, frame.size()), &how));
  CHECK_FALSE(read_compressed(section(3, content.size(), frame.size()), &how));
  CHECK_FALSE(read_compressed(std::vector<uint8_t>(sizeof(Elf64_Chdr) - 1), &how));
}

}  // namespace telinject::test::unpacked_test
