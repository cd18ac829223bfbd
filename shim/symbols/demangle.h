// Names of functions, from the names of their symbols.
#pragma once

#include <string>
#include <string_view>

namespace telinject {

// The name a person would write: demangled, without the function's own arguments, template
// arguments kept; what the compiler or linker added (".cold", ".constprop.0", "@@V1") is left out.
//
//   _ZN2ns1A1tIdEEiT_i          ns::A::t<double>
//   _ZZ3fooiENKUlvE_clEv        foo(int)::{lambda()#1}::operator()
//   sort.part.0                 sort
//
// What is not mangled, or cannot be demangled, is returned as it is, cut likewise. Bounded in time,
// memory and stack, whatever the text.
std::string function_name(std::string_view symbol);

// The same, but empty where there is nothing to demangle.
std::string demangle(std::string_view symbol);

// True for the mangled names that demangle() understands: C++ and Rust.
bool is_mangled(std::string_view symbol);

// `symbol` without what says which copy of a function it is: "@@V1" of a version, ".cold",
// ".part.0", ".isra.1", ".llvm.123"... Names in which a dot is part of the function's identity stay
// ("main._omp_fn.0", "nested.1").
std::string_view without_clone_suffix(std::string_view symbol);

// A name for what all copies of a function share: gcc describes a constructor once, as "C4", of
// which the symbols C1 (complete object) and C2 (base object) are made; likewise destructors. All
// become C2 and D2. C1 stays: clang has functions of both kinds that call each other.
std::string unified_constructor(std::string_view symbol);

}  // namespace telinject
