// Entries of wrapped library functions that are bound to one definition each (wrappers.h).
//
// A stub calls the wrapper. The return address of that call says which stub it was, and with it
// which definition is meant.
//
// Safety class: async-signal-safe; taking a stub when all are taken walks the list of objects.
#pragma once

#include <cstdint>

#include "preload/real/library_functions.h"

namespace telinject::program {

// Null if there is no stub left: as many definitions are loaded as a function has stubs.
void* stub_for(LibraryFunction function, void* definition);

// In assembly: the first stub, and the end of the last.
extern "C" __attribute__((visibility("hidden"))) const char telinject_stubs[];
extern "C" __attribute__((visibility("hidden"))) const char telinject_stubs_end[];

inline bool is_stub(const void* call_site) {
  auto size = static_cast<uintptr_t>(telinject_stubs_end - telinject_stubs);
  return reinterpret_cast<uintptr_t>(call_site) - reinterpret_cast<uintptr_t>(telinject_stubs) <
         size;
}

struct Stub {
  LibraryFunction function;
  void* definition;
};
// The one that contains the address.
Stub stub_at(const void* call_site);

}  // namespace telinject::program
