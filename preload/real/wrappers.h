// Our wrappers by the names of what they wrap: for references that do not come to us by themselves,
// for they were looked up in a library (dlsym on a handle) or bound past us (RTLD_DEEPBIND).
//
// A function of libc's has one wrapper, which calls the definition behind this library. A library's
// (OpenSSL, libcurl ...) may be there several times, and who calls by a pointer cannot be told. So
// each definition that is asked for has a stub of its own, which calls the wrapper; by the place of
// that call library_function() knows which definition is meant.
//
// Safety class: as resolve.h.
#pragma once

#include <cstdint>

#include "preload/real/library_functions.h"
#include "preload/real/resolve.h"

namespace telinject::program {

// A row of interposed.def.
struct Wrapper {
  const char* name;
  uint32_t hash;    // gnu_hash(name)
  bool of_library;  // OpenSSL and the like
  uint32_t number;  // a LibraryFunction or a RealSymbol
  void (*function)();
};

// Null if nothing of that name is wrapped, or if the wrapper does without the real function.
const Wrapper* find_wrapper(const char* name);

// True if the function is of this library.
bool is_ours(const void* function);

// What to call instead of `function`, a definition of what the wrapper wraps, so that the wrapper
// sees the call and goes on to that very definition. `function` itself if there is none: it is not
// the one that our wrapper calls, is ours already, is in a namespace of its own (dlmopen), or there
// are too many definitions at once.
void* wrapped(const Wrapper& wrapper, void* function);

}  // namespace telinject::program
