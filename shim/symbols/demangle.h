// Makes function names from symbol names.
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
// A name that is not mangled, or cannot be demangled, is returned without those additions. Time,
// memory and stack are bounded for any text.
std::string function_name(std::string_view symbol);

// The same, but empty if the symbol cannot be demangled.
std::string demangle(std::string_view symbol);

// True for the mangled names that demangle() understands: C++ and Rust.
bool is_mangled(std::string_view symbol);

// `symbol` without what says which copy of a function it is: "@@V1" of a version, ".cold",
// ".part.0", ".isra.1", ".llvm.123"... Names in which a dot is part of the function's identity stay
// ("main._omp_fn.0", "nested.1").
std::string_view without_clone_suffix(std::string_view symbol);

// One name for all copies of a function. gcc describes a constructor once, as "C4", and makes the
// symbols C1 (complete object) and C2 (base object) from it; destructors likewise. "C4" and "D4"
// become C2 and D2. C1 stays, because clang's C1 and C2 are functions that call each other.
std::string unified_constructor(std::string_view symbol);

}  // namespace telinject
