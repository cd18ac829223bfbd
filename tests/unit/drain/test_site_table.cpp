// Addresses of a process as names, callers and places: with a real library, mapped by hand.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <string>

#include "shim/drain/naming/site_table.h"
#include "shim/events/json/function_json.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test::site_table_test {
using namespace drain;
namespace {

using nlohmann::json;

constexpr uint64_t kBase = 0x7f0000000000;

// An instrumented library, "loaded" at kBase; addresses of its functions and calls are objdump's.
struct Loaded {
  Workshop workshop;
  ModuleCache modules{[](uint64_t ticks) { return static_cast<int64_t>(ticks); }};
  CodeMap code{&modules};
  SpanFilter filter;
  SiteCache cache{&filter};
  SiteTable sites{&code, &cache};

  Loaded() {
    workshop.write("lib.c", R"(
int leaf(int value, const char* text) { return value + text[0]; }
static inline __attribute__((always_inline)) int inner(int value) {
  return leaf(value, "x") + 1;
}
int outer(int value) {
  return inner(value) * 3;
}
)");
    workshop.run(
        "gcc -g -O1 -fno-inline-functions -finstrument-functions -shared -fPIC lib.c -o lib.so");
    // Mapped later than it was written.
    code.add(kBase, kBase + 0x100000, 0, identity(), INT64_MAX);
  }
  ModuleIdentity identity() const {
    ModuleIdentity identity;
    identity.path = workshop.path("lib.so");
    return identity;
  }
  uint64_t symbol(const std::string& name) const {
    std::string text = workshop.run("nm lib.so | grep ' " + name + "$'");
    return kBase + std::stoull(text.substr(0, 16), nullptr, 16);
  }
  // Return addresses of the calls of `callee` in `function`, in order.
  std::vector<uint64_t> calls(const std::string& function, const std::string& callee) const {
    std::vector<uint64_t> found;
    bool after = false;
    for (const std::string& line : lines_of(
             workshop.run("objdump -d --no-show-raw-insn --disassemble=" + function + " lib.so"))) {
      unsigned long address;
      if (std::sscanf(line.c_str(), " %lx:", &address) != 1) continue;
      if (after) found.push_back(kBase + address);
      after = line.find("call") != std::string::npos &&
              line.find("<" + callee + "@") != std::string::npos;
    }
    return found;
  }
  static std::string name(const Site* site) { return site->function.name; }
  static json attributes(const Site* site) {
    return json::parse("{" + function_attributes(site->function) + "\"end\":0}");
  }
};

constexpr const char* kEnter = "__cyg_profile_func_enter";

}  // namespace

TEST_CASE("a real call: its caller is the function at the call site") {
  Loaded lib;
  uint64_t hook = lib.calls("leaf", kEnter).at(0);
  uint64_t call_site = lib.calls("outer", "leaf").at(0);
  const Site* site = lib.sites.site(lib.symbol("leaf"), static_cast<uint32_t>(hook), call_site);
  CHECK(Loaded::name(site) == "leaf");
  json attributes = lib.attributes(site);
  CHECK(attributes["function.parameters"] == "value, text");
  CHECK(attributes["caller_function"] == "inner");  // innermost at the call, inlined into outer
  CHECK(attributes["caller_file"] == lib.workshop.path("lib.c"));
  CHECK(attributes["caller_line"] == 4);
  CHECK(attributes["function_file"] == lib.workshop.path("lib.c"));
  CHECK(attributes["function_line"] == 2);
  CHECK(attributes["module"] == "lib.so");
  CHECK(site->chain.size() == 1);
}

TEST_CASE("an inlined call: its caller is what it is inlined into, not the call site") {
  Loaded lib;
  // outer's own hook, then that of inner.
  std::vector<uint64_t> hooks = lib.calls("outer", kEnter);
  REQUIRE(hooks.size() == 2);
  uint64_t nowhere = 0x1234;
  const Site* outer = lib.sites.site(lib.symbol("outer"), static_cast<uint32_t>(hooks[0]), nowhere);
  CHECK(Loaded::name(outer) == "outer");
  CHECK(outer->chain.size() == 1);
  CHECK_FALSE(lib.attributes(outer).contains("caller_function"));
  const Site* inner = lib.sites.site(lib.symbol("inner"), static_cast<uint32_t>(hooks[1]),
                                     lib.calls("outer", "leaf").at(0));
  CHECK(Loaded::name(inner) == "inner");
  CHECK(lib.attributes(inner)["caller_function"] == "outer");
  CHECK(lib.attributes(inner)["caller_line"] == 7);
  REQUIRE(lib.sites.chain(hooks[1]).size() == 2);
  CHECK(lib.sites.chain(hooks[1])[0] == outer->chain[0]);
}

TEST_CASE("one site for one place, also for another process that maps the same file elsewhere") {
  Loaded lib;
  uint64_t hook = lib.calls("leaf", kEnter).at(0), site = lib.calls("outer", "leaf").at(0);
  const Site* first = lib.sites.site(lib.symbol("leaf"), static_cast<uint32_t>(hook), site);
  CHECK(lib.sites.site(lib.symbol("leaf"), static_cast<uint32_t>(hook), site) == first);
  CodeMap other_code(&lib.modules);
  constexpr uint64_t kElsewhere = 0x5555555000;
  other_code.add(kBase + kElsewhere, kBase + kElsewhere + 0x100000, 0, lib.identity(), 1);
  SiteTable other(&other_code, &lib.cache);
  CHECK(other.site(lib.symbol("leaf") + kElsewhere, static_cast<uint32_t>(hook + kElsewhere),
                   site + kElsewhere) == first);
  CHECK(lib.cache.totals().size() == 1);
}

TEST_CASE("calls from different places are sites of their own that share the function's totals") {
  Loaded lib;
  uint64_t hook = lib.calls("leaf", kEnter).at(0), site = lib.calls("outer", "leaf").at(0);
  const Site* a = lib.sites.site(lib.symbol("leaf"), static_cast<uint32_t>(hook), site);
  const Site* b = lib.sites.site(lib.symbol("leaf"), static_cast<uint32_t>(hook), site + 1);
  CHECK(a != b);
  CHECK(a->totals == b->totals);
}

TEST_CASE("addresses of no module are named by their number") {
  Loaded lib;
  const Site* site = lib.sites.site(0xdeadbeef, 0xdeadbef4, 0x1000);
  CHECK(Loaded::name(site) == "0xdeadbeef");
  CHECK(Loaded::attributes(site) == json({{"end", 0}}));
  CHECK(site->chain.empty());
  CHECK(lib.sites.chain(0xdeadbef4).empty());
}

TEST_CASE("after a library is unloaded its addresses mean something else") {
  Loaded lib;
  uint64_t leaf = lib.symbol("leaf"), hook = lib.calls("leaf", kEnter).at(0);
  const Site* before = lib.sites.site(leaf, static_cast<uint32_t>(hook), 0);
  CHECK(Loaded::name(before) == "leaf");
  lib.code.remove(kBase, kBase + 0x1000000);
  CHECK(Loaded::name(lib.sites.site(leaf, static_cast<uint32_t>(hook), 0)).starts_with("0x7f"));
  CHECK(Loaded::name(before) == "leaf");  // spans that are still open keep theirs
}

TEST_CASE("mappings replace what they overlap, and end where they end") {
  ModuleCache modules{[](uint64_t ticks) { return static_cast<int64_t>(ticks); }};
  CodeMap code(&modules);
  code.add(0x1000, 0x3000, 0, {}, 1);
  code.add(0x5000, 0x6000, 0, {}, 1);
  CHECK(code.contains(0x1000));
  CHECK(code.contains(0x2fff));
  CHECK_FALSE(code.contains(0x3000));
  CHECK_FALSE(code.contains(0xfff));
  code.add(0x2000, 0x5001, 0, {}, 1);
  CHECK_FALSE(code.contains(0x1000));
  CHECK(code.contains(0x2000));
  CHECK_FALSE(code.contains(0x5800));
  uint64_t generation = code.generation();
  code.remove(0x8000, 0x9000);
  CHECK(code.generation() == generation);
  code.remove(0x2000, 0x2001);
  CHECK_FALSE(code.contains(0x4000));
  CHECK(code.generation() != generation);
}

TEST_CASE("the low half of an address is enough where a module is near") {
  ModuleCache modules{[](uint64_t ticks) { return static_cast<int64_t>(ticks); }};
  CodeMap code(&modules);
  code.add(0x7ffff0000000, 0x800010000000, 0, {}, 1);
  CHECK(code.widen(0xffffff00, 0x7ffffff00000) == 0x7fffffffff00);
  CHECK(code.widen(0x00000100, 0x7ffffff00000) == 0x800000000100);
  CHECK(code.widen(0xfffffff0, 0x800000000010) == 0x7ffffffffff0);
  // A function of one module whose hook is called from another, far away.
  code.add(0x550080000000, 0x550080001000, 0, {}, 1);
  CHECK(code.widen(0x80000800, 0x7ffff0000000) == 0x550080000800);
  CHECK(code.widen(0xf0000800, 0x550080000000) == 0x7ffff0000800);
  // Of no module: the nearest.
  CHECK(code.widen(0x90000000, 0x550080000000) == 0x550090000000);
}

}  // namespace telinject::test::site_table_test
