#include <catch2/catch.hpp>

#include <string>

#include "shim/symbols/demangle.h"
#include "shim/symbols/unit_symbols.h"

namespace telinject::test::demangle_test {

TEST_CASE("names are demangled without arguments") {
  // clang-format off
  const std::pair<const char*, const char*> cases[] = {
      {"main", "main"},
      {"_ZN2ns1A1tIdEEiT_i", "ns::A::t<double>"},
      {"_Z3fooIiEvT_", "foo<int>"},
      {"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back"},
      {"_ZN1AclEi", "A::operator()"},
      {"_ZN1AltERKS_", "A::operator<"},
      {"_ZNK1AcviEv", "A::operator int"},
      {"_ZNK1AcvSt6vectorIiSaIiEEEv", "A::operator std::vector<int, std::allocator<int> >"},
      {"_Znwm", "operator new"},
      {"_Zli2_xy", "operator\"\" _x"},
      {"_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc", "std::operator<< <std::char_traits<char> >"},
      {"_Z5applyIPFiiEEvT_", "apply<int (*)(int)>"},
      {"_ZN1AC1Ei", "A::A"}, {"_ZN1AC2Ei", "A::A"}, {"_ZN1AC4Ei", "A::A"},
      {"_ZN1AD0Ev", "A::~A"}, {"_ZN1AD1Ev", "A::~A"}, {"_ZN1AD2Ev", "A::~A"},
      {"_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo"},
      {"_ZZ3fooiENKUlvE_clEv", "foo(int)::{lambda()#1}::operator()"},
      {"_ZZN1A1fEiEN1B1gEv", "A::f(int)::B::g"},
      {"_Z3fooB5cxx11i", "foo[abi:cxx11]"},
      {"_ZNKRSt8optionalIiE5valueEv", "std::optional<int>::value"},
      {"_ZNVK1A1fEv", "A::f"},
      {"_ZTv0_n24_NK1A1fEi", "virtual thunk to A::f"},
      {"_ZThn8_N1AclEi", "non-virtual thunk to A::operator()"},
      // Copies and parts of functions.
      {"_Z2fpPFiiEi.cold", "fp"}, {"_Z1fv.constprop.0.isra.0", "f"}, {"_Z1fi.part.0", "f"},
      {"_ZN1A1fEv.localalias", "A::f"}, {"_ZN1A1fEv.llvm.1234567", "A::f"},
      {"sort.part.0", "sort"}, {"sort.constprop.0.cold", "sort"}, {"sort.isra.0.part.12", "sort"},
      {"sort.lto_priv.0", "sort"}, {"sort.llvm.123", "sort"}, {"memcpy@@GLIBC_2.14", "memcpy"},
      // What is after a dot here tells functions apart.
      {"main._omp_fn.0", "main._omp_fn.0"}, {"nested.1", "nested.1"}, {"a.b", "a.b"},
      {".hidden", ".hidden"}, {"cold", "cold"},
      // Not mangled, though they look it.
      {"_Z", "_Z"}, {"_ZN", "_ZN"}, {"_Z3fo", "_Z3fo"}, {"", ""}, {"_GLOBAL__sub_I_a.cpp", "_GLOBAL__sub_I_a.cpp"},
      // Rust.
      {"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
      {"_RNvMCs1_5crateNtB2_12PDFGenerator7new_all", "<crate::PDFGenerator>::new_all"},
      {"_RNvMCs1FGabc_5crateNtB2_1T3new", "<crate::T>::new"},
      {"_RINvC1c1fFG_EuE", "c::f::<for<'a> fn()>"},
      {"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"},
  };
  // clang-format on
  for (const auto& [symbol, name] : cases) {
    INFO(symbol);
    CHECK(function_name(symbol) == name);
  }
}

// libiberty would count for hours, see counts_without_end(): a test that hangs has failed.
TEST_CASE("Rust lifetimes without end are not counted") {
  for (std::string symbol : {"_RXYFGzzzzzzzzz_EuC1auC1b", "_RMYDGzzzzzzzzz_C1aEL_C1au",
                             "_RYFGzzzzzzzzz_EuC1c", "_RINvC1c1fFGzzzzzzzzzz_EuE"}) {
    INFO(symbol);
    CHECK(function_name(symbol) == symbol);
  }
}

TEST_CASE("one name for all variants of a constructor") {
  CHECK(unified_constructor("_ZN1AC4Ei") == "_ZN1AC2Ei");
  CHECK(unified_constructor("_ZN1AD4Ev") == "_ZN1AD2Ev");
  CHECK(unified_constructor("_ZN1AC1Ei") == "_ZN1AC1Ei");
  CHECK(unified_constructor("_ZN1AC2Ei.cold") == "_ZN1AC2Ei");
  CHECK(unified_constructor("_ZN3C4EC4E3C4E") == "_ZN3C4EC2E3C4E");
  CHECK(unified_constructor("_ZN3C4E1fEv") == "_ZN3C4E1fEv");
  CHECK(unified_constructor("_ZN1AIiEC4IdEET_") == "_ZN1AIiEC2IdEET_");
  CHECK(unified_constructor("plain") == "plain");
}

TEST_CASE("long symbols, which libiberty alone refuses, are demangled") {
  std::string nested = "i";
  for (int i = 0; i < 400; i++) nested = "1XI" + nested + "E";
  std::string name = function_name("_Z1fI" + nested + "Evv");
  CHECK(name.size() > 1200);
  CHECK(name.starts_with("f<X<X<"));
  // Nested beyond what libiberty prints, but not beyond the stack.
  std::string deep = "_Z1fI" + std::string(60000, 'P') + "iEvv";
  CHECK(function_name(deep) == deep);
}

TEST_CASE("symbols that stand for endless names are left alone") {
  // Each substitution names the one before it twice: 2^60 characters.
  std::string bomb = "_Z1fI1AIiiE";
  for (int i = 0; i < 60; i++) {
    std::string previous =
        i == 0 ? "S1_"
               : "S" + std::string(1, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(i + 1) % 36]) + "_";
    bomb += "1BI" + previous + previous + "E";
  }
  bomb += "Evv";
  CHECK(function_name(bomb).size() <= 64 * 1024);
  std::string huge = "_Z" + std::to_string(100000) + std::string(100000, 'x') + "v";
  CHECK(function_name(huge) == huge);
}

TEST_CASE("last component of a name") {
  CHECK(last_component("ns::A::f") == "f");
  CHECK(last_component("f") == "f");
  CHECK(last_component("ns::A::f<std::pair<int, int> >") == "f<std::pair<int, int> >");
  CHECK(last_component("foo(std::x)::{lambda(std::y)#1}::operator()") == "operator()");
  CHECK(last_component("A::operator<") == "operator<");
  CHECK(last_component("A::operator std::vector<int>") == "operator std::vector<int>");
  CHECK(last_component("(anonymous namespace)::g") == "g");
  CHECK(without_template_arguments("f<int>") == "f");
  CHECK(without_template_arguments("operator<<") == "operator<<");
  CHECK(without_template_arguments("operator<< <int>") == "operator<<");
  CHECK(without_template_arguments("operator-<A<int>*>") == "operator-");
  CHECK(without_template_arguments("operator<=><int>") == "operator<=>");
  CHECK(without_template_arguments("operator A<int>") == "operator A<int>");
}

}  // namespace telinject::test::demangle_test
